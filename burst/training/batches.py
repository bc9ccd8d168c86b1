"""Batches of crops from a pool of samples; which crops depends on seed, step and rank alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from burst.data.samples.collection import Collection
from burst.data.samples.turbulence import Sample, SampleKey
from burst.network.preparation import Preparation, evidence_of, scalars_of
from burst.training.recipe import BORDER

LEAST_ERROR = 1e-3  # encoded; limits the weight of flat scenes
REFRESH_EVERY = 15.0  # seconds between two searches for new samples


@dataclass(frozen=True)
class Batch:
    """Evidence [b, e, h, w], scalars [b, s], base and truth [b, c, h, w], all encoded; error
    [b, 1, 1, 1] is the mean absolute one of the whole classical result."""

    evidence: torch.Tensor
    scalars: torch.Tensor
    base: torch.Tensor
    truth: torch.Tensor
    error: torch.Tensor


@dataclass
class Pool:
    """The samples made so far, of those wanted, on the device that trains."""

    collection: Collection
    keys: Sequence[SampleKey]
    preparation: Preparation
    device: str
    samples: dict[SampleKey, Any] = field(default_factory=dict)  # `Sample`, or `PairSample`
    errors: dict[SampleKey, torch.Tensor] = field(default_factory=dict)  # see `base_error`
    looked: float = -REFRESH_EVERY

    def __post_init__(self) -> None:
        taken, kind = self.preparation, self.preparation.kind
        # On the device: a list would be copied there, and waited for, with every crop.
        self.evidence, self.scalars = (
            torch.tensor([known.index(name) for name in chosen], dtype=torch.long).to(self.device)
            for known, chosen in (
                (evidence_of(kind), taken.evidence),
                (scalars_of(kind), taken.scalars),
            )
        )

    def draw(self, count: int, side: int, generator: torch.Generator) -> Batch:
        """Draw crops of `side` px, each turned and mirrored in one of eight ways."""
        self.refresh()
        known = [self.samples[key] for key in self.keys if key in self.samples]
        crops = [self._crop(known, side, generator) for _ in range(count)]
        return Batch(*(torch.stack(parts) for parts in zip(*crops, strict=True)))

    def whole(self, key: SampleKey) -> Batch:
        """Return a whole sample as a batch of one, its border included."""
        self.refresh()
        sample = self.samples[key]
        return Batch(
            sample.planes[self.evidence][None],
            sample.scalars[self.scalars][None],
            _layers(sample.base)[None],
            _layers(sample.truth)[None],
            self._error(sample)[None],
        )

    def refresh(self) -> None:
        """Load the samples that have been made since the last refresh."""
        complete = len(self.samples) == len(self.keys)
        if complete or time.monotonic() < self.looked + REFRESH_EVERY:
            return
        for key in self.collection.present(self.keys):
            if key not in self.samples:
                self.samples[key] = self.collection.load(key, self.device)
        self.looked = time.monotonic()

    def _crop(
        self, known: Sequence[Sample], side: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, ...]:
        which, row, column, turns, flip = torch.rand(5, generator=generator).tolist()
        sample = known[int(which * len(known))]
        h, w = sample.base.shape[-2:]
        # Instants are trained up to the edge; the border of stacks, where frames do not overlap, is
        # not.
        border = BORDER if self.preparation.kind == "turbulence" else 0
        top = border + int(row * (h - side - 2 * border + 1))
        left = border + int(column * (w - side - 2 * border + 1))
        inside = (..., slice(top, top + side), slice(left, left + side))
        ends = _layers(sample.base[inside]), _layers(sample.truth[inside])
        images = torch.cat([sample.planes[inside][self.evidence], *ends])
        images = torch.rot90(images, int(turns * 4), (1, 2))
        images = images.flip(2) if flip < 0.5 else images
        planes, base, truth = images.split([len(self.evidence), *map(len, ends)])
        return planes, sample.scalars[self.scalars], base, truth, self._error(sample)

    def _error(self, sample: Sample) -> torch.Tensor:
        if sample.key not in self.errors:
            self.errors[sample.key] = base_error(sample)
        return self.errors[sample.key]


def base_error(sample: Sample) -> torch.Tensor:
    """Return the mean absolute error [1, 1, 1] of a classical result, without its border."""
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    error = (sample.base - sample.truth)[inside].abs().mean()
    return error.clamp(min=LEAST_ERROR).reshape(1, 1, 1)


def _layers(image: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] or [c, h, w] as layers [c, h, w]."""
    return image.reshape(-1, *image.shape[-2:])
