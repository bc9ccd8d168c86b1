"""Train on dual reversed pairs without a truth: the frames rendered from the network's output must
equal the recorded ones.

The output is an image and a correction of the velocity at the start of the readout, at the time of
a row, and at its end. Both frames are rendered from them, whole and split at that row (Shang et
al., ICCV 2023). In a second stage a frozen teacher with a wider view teaches the border of crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from einops import rearrange, repeat
from torch import nn

from burst.data.samples.pairs import PairSample
from burst.data.samples.turbulence import SampleKey
from burst.models.restorer import PriorSource, Restorer
from burst.ops.rolling.rerender import MovingImage, rerender
from burst.training.batches import LEAST_ERROR, Pool
from burst.training.losses import EPSILON, charbonnier
from burst.training.recipe import Training

# Chosen by hand.
MARGIN = 32  # px that a teacher sees around the crop of its student
LARGEST_CORRECTION = 8.0  # px a readout, of velocity for an output of 1
SMOOTH_WEIGHT = 1.0  # weight of the total variation of the velocity's correction
CALM = 0.1  # px; smaller variations are hardly penalised, so that the images decide
TEACHER_WEIGHT = 1.0  # weight of the error against the teacher
MAPS = ("evidence", "base", "velocity", "frames", "times")  # fields of a batch [..., h, w]


@dataclass(frozen=True)
class PairBatch:
    """Evidence [b, 3, e, h, w] of three instants, scalars [b, s], base [b, 3, h, w]; velocity
    [b, 3, 2, h, w], frames and times [b, 2, h, w], offset [b, 2, 2], instants [b, 3]."""

    evidence: torch.Tensor
    scalars: torch.Tensor
    base: torch.Tensor
    velocity: torch.Tensor
    frames: torch.Tensor
    times: torch.Tensor
    offset: torch.Tensor
    instants: torch.Tensor

    def window(self, rows: slice, columns: slice) -> PairBatch:
        """Return the batch with its maps cut to rows and columns."""
        return replace(self, **{name: getattr(self, name)[..., rows, columns] for name in MAPS})


class PairPool(Pool):
    """Crops of pairs. They are mirrored from left to right only, because rows have times."""

    margin: int = 0

    def draw(self, count: int, side: int, generator: torch.Generator) -> PairBatch:  # type: ignore[override]
        """Draw crops of `side` px, and `margin` more on each side."""
        self.refresh()
        known = [self.samples[key] for key in self.keys if key in self.samples]
        return _joined([self._window(known, side, generator) for _ in range(count)])

    def whole(self, key: SampleKey) -> PairBatch:  # type: ignore[override]
        """Return a whole sample as a batch of one."""
        self.refresh()
        return _joined([self._batched(self.samples[key])])

    def _window(
        self, known: Sequence[PairSample], side: int, generator: torch.Generator
    ) -> PairBatch:
        which, row, column, flip = torch.rand(4, generator=generator).tolist()
        one = self._batched(known[int(which * len(known))])
        height, width = one.base.shape[-2:]
        side = min(side + 2 * self.margin, height, width)
        top, left = int(row * (height - side + 1)), int(column * (width - side + 1))
        cut = one.window(slice(top, top + side), slice(left, left + side))
        return _mirrored(cut) if flip < 0.5 else cut

    def _batched(self, sample: PairSample) -> PairBatch:
        planes, scalars = sample.planes[:, self.evidence], sample.scalars[self.scalars]
        rest = {f.name: getattr(sample, f.name) for f in fields(PairBatch)[2:]}
        return PairBatch(planes, scalars, **rest)


class CycleObjective(nn.Module):
    """A network with the loss of frames rendered from its output against the recorded ones."""

    def __init__(self, model: Restorer, teacher: Restorer | None, _: Training) -> None:
        super().__init__()
        self.model = model
        self.teachers = [teacher] if teacher else []

    def forward(
        self, batch: PairBatch, source: PriorSource | None, noise: torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        """Return the loss, "total", and its parts."""
        whole = batch
        if self.teachers:
            batch = batch.window(slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        with torch.no_grad():
            unit = cycle_error(batch.base, batch.velocity, batch).clamp(min=LEAST_ERROR)
        images, corrected = predict_instants(self.model, batch, source, noise)
        parts = {
            "image": (cycle_error(images, corrected, batch) / unit).mean(),
            "smooth": variation(corrected - batch.velocity),
        }
        total = parts["image"] + SMOOTH_WEIGHT * parts["smooth"]
        for teacher in self.teachers:
            with torch.no_grad():
                wanted, _ = predict_instants(teacher, whole, source, None)
            inside = wanted[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
            parts["taught"] = charbonnier(images, inside, rearrange(unit, "b -> b 1 1 1"))
            total = total + TEACHER_WEIGHT * parts["taught"]
        return {"total": total, **parts}


def predict_instants(
    model: Restorer, batch: PairBatch, source: PriorSource | None, noise: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images [b, 3, h, w] and velocities [b, 3, 2, h, w] that a network predicts."""
    evidence = rearrange(batch.evidence, "b t e h w -> (b t) e h w")
    scalars = repeat(batch.scalars, "b s -> (b t) s", t=batch.base.shape[1])
    tokens = None
    if source is not None:
        tokens = model.prior(evidence, scalars, source, None, noise)
    output = rearrange(
        model(evidence, scalars, tokens), "(b t) c h w -> b t c h w", t=batch.base.shape[1]
    )
    return batch.base + output[:, :, 0], batch.velocity + LARGEST_CORRECTION * output[:, :, 1:]


def render_frames(
    images: torch.Tensor, velocity: torch.Tensor, batch: PairBatch
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Render both frames, whole and split at the row of the middle instant; return for each the
    rendered frame, the recorded one and the mask of known pixels, each [b, h, w]."""
    first, middle, last = (MovingImage(images[:, t], velocity[:, t]) for t in range(3))
    at = batch.instants[:, 1]
    one, found = torch.ones_like(at), []
    for k in (0, 1):
        frame, time, offset = batch.frames[:, k], batch.times[:, k], batch.offset[:, k]
        whole, there = rerender(first, last, time, one, offset)
        found.append((whole, frame, there))
        split = at[:, None, None]
        early = time <= split
        before, there_before = rerender(first, middle, (time / split).clamp(max=1), at, offset)
        share = ((time - split) / (1 - split)).clamp(min=0)
        after, there_after = rerender(middle, last, share, 1 - at, offset)
        halves = torch.where(early, before, after), torch.where(early, there_before, there_after)
        found.append((halves[0], frame, halves[1]))
    return found


@torch.no_grad()
def cycle_psnr(images: torch.Tensor, velocity: torch.Tensor, batch: PairBatch) -> float:
    """Return the PSNR (dB, encoded) of the rendered frames against the recorded ones."""
    errors = [
        (((made - read) * there).square().sum() / there.sum().clamp(min=1))
        for made, read, there in render_frames(images, velocity, batch)
    ]
    return float(-10 * torch.stack(errors).mean().clamp(min=1e-10).log10())


def cycle_error(images: torch.Tensor, velocity: torch.Tensor, batch: PairBatch) -> torch.Tensor:
    """Return for each pair [b] the mean of sqrt(error^2 + epsilon^2) - epsilon of the rendered
    frames against the recorded ones, over known pixels."""
    # Rounding of half precision would exceed the error.
    with torch.autocast(images.device.type, enabled=False):
        frames = render_frames(images, velocity, batch)
    found = []
    for made, read, there in frames:
        error = (made - read).float()
        each = ((error.square() + EPSILON**2).sqrt() - EPSILON) * there
        found.append(each.sum((1, 2)) / there.sum((1, 2)).clamp(min=1))
    return torch.stack(found).mean(0)


def variation(fields: torch.Tensor) -> torch.Tensor:
    """Return the total variation of fields [..., h, w] px, a mean over their pixels, in units of
    the largest correction."""
    steps = (fields.diff(dim=-1), fields.diff(dim=-2))
    across, down = (((step.square() + CALM**2).sqrt() - CALM).mean() for step in steps)
    return (across + down) / LARGEST_CORRECTION


def _joined(parts: Sequence[PairBatch]) -> PairBatch:
    names = [f.name for f in fields(PairBatch)]
    return PairBatch(*(torch.stack([getattr(part, name) for part in parts]) for name in names))


def _mirrored(one: PairBatch) -> PairBatch:
    """Mirror one sample from left to right; horizontal velocities change their sign."""
    flipped = {name: getattr(one, name).flip(-1) for name in MAPS}
    sign = torch.tensor([-1.0, 1.0]).to(one.velocity)
    flipped["velocity"] = flipped["velocity"] * sign[:, None, None]
    return replace(one, **flipped, offset=one.offset * sign)
