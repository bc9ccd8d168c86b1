"""Evaluate a network on whole samples that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from burst.data.samples.turbulence import SampleKey
from burst.models.restorer import PriorSource, Restorer
from burst.ops.metrics import psnr
from burst.training.batches import Pool
from burst.training.losses import prior_of
from burst.training.pairs import PairBatch, cycle_psnr, predict_instants
from burst.training.recipe import BORDER

# Names of images in scores: the input of the network, its output without a prior, and the output of
# the network that training started from.
BASE, WITHOUT_PRIOR, PARENT = "classical", "network", "parent"


@dataclass(frozen=True)
class CheckedSample:
    """One sample restored with one source of priors: images [c, h, w] encoded, tokens [b, t, d] or
    None.

    Of a pair the images are those at the row in the middle, and `truth` is the recorded frame.
    """

    key: SampleKey
    source: str
    base: torch.Tensor
    output: torch.Tensor
    truth: torch.Tensor
    tokens: torch.Tensor | None
    psnr: float


@torch.no_grad()
def check(
    model: Restorer, pool: Pool, keys: Sequence[SampleKey], show: Callable[[CheckedSample], None]
) -> dict[str, dict[str, float]]:
    """Return, for each noise level, the mean PSNR (dB, encoded, without border) of the classical
    image and of that with each source of priors; `show` gets the first sample of every level.

    Pairs have no truth: the frames rendered from them are compared with the recorded ones.
    """
    figures: dict[str, dict[str, list[float]]] = {}
    for key in keys:
        level = figures.setdefault(key.noise_level, {})
        first = not level
        for seen in _restored(model, pool, key):
            level.setdefault(seen.source, []).append(seen.psnr)
            if first and seen.source != BASE:
                show(seen)
    return {
        level: {name: sum(found) / len(found) for name, found in images.items()}
        for level, images in figures.items()
    }


def with_parent_scores(
    scores: dict[str, dict[str, float]], parent: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Return scores with those of the parent's best source added after the classical image's."""
    found = {}
    for level, images in scores.items():
        made = [psnr for name, psnr in parent.get(level, {}).items() if name != BASE]
        best = {PARENT: max(made)} if made else {}
        found[level] = {BASE: images[BASE], **best, **images}
    return found


def mean_gain(scores: dict[str, dict[str, float]]) -> float:
    """Return the gain in dB of the best source's image over the classical one, averaged over
    levels."""
    gains = [
        max(psnr for name, psnr in images.items() if name not in (BASE, PARENT)) - images[BASE]
        for images in scores.values()
    ]
    return sum(gains) / len(gains)


def _restored(model: Restorer, pool: Pool, key: SampleKey) -> list[CheckedSample]:
    batch = pool.whole(key)
    sources: tuple[PriorSource | None, ...] = model.sources or (None,)
    if isinstance(batch, PairBatch):
        return _rendered(model, key, batch, sources)
    base, truth = batch.base[0], batch.truth[0]
    found = [CheckedSample(key, BASE, base, base, truth, None, _psnr(base, truth))]
    for source in sources:
        tokens = prior_of(model, batch, source, None)
        output = base + model(batch.evidence, batch.scalars, tokens)[0, : len(base)]
        figure = _psnr(output, truth)
        found.append(
            CheckedSample(key, source or WITHOUT_PRIOR, base, output, truth, tokens, figure)
        )
    return found


def _rendered(
    model: Restorer, key: SampleKey, batch: PairBatch, sources: tuple[PriorSource | None, ...]
) -> list[CheckedSample]:
    made = {BASE: (batch.base, batch.velocity)}
    for source in sources:
        made[source or WITHOUT_PRIOR] = predict_instants(model, batch, source, None)
    base, read = batch.base[0, 1:2], batch.frames[0, :1]
    return [
        CheckedSample(
            key, name, base, images[0, 1:2], read, None, cycle_psnr(images, velocity, batch)
        )
        for name, (images, velocity) in made.items()
    ]


def _psnr(image: torch.Tensor, truth: torch.Tensor) -> float:
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return psnr(image[inside], truth[inside])
