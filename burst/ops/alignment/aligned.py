"""Frames as they are aligned, gone through block by block, and their mean.

Where frames fit into memory their samples are kept there, else in a scratch file or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from burst.ops.blocks import BlockTensor, room_for
from burst.ops.chunks import frames_at_once
from burst.ops.samples import mean_of_samples
from burst.ops.share import each_of
from burst.progress import passing

Samples = tuple[torch.Tensor, torch.Tensor | None]


@dataclass
class _Store:
    """Samples in a scratch file, and which of them count. They are not rounded: half precision
    moves the frames of a bracket by .02 px."""

    values: Any
    counts: Any

    def put(self, chunk: slice, values: torch.Tensor, shown: torch.Tensor | None) -> None:
        """Keep the samples [k, h, w] of a slice of frames."""
        self.values[chunk] = values
        if shown is not None:
            self.counts[chunk] = shown.bool()

    def get(self, chunk: slice) -> Samples:
        """Return the samples of a slice of frames."""
        values: torch.Tensor = self.values[chunk]
        return values, None if self.counts is None else self.counts[chunk].to(values)


@dataclass
class Aligned:
    """Aligned frames: `sampled` gives those of a slice, and which of their samples count (None
    where all do); `whole` are all of them, or None where they do not fit into memory. Then the
    first pass keeps them in `store` if `stored`, else every pass makes them anew."""

    frames: torch.Tensor
    step: int
    sampled: Callable[[slice], Samples]
    whole: Samples | None
    stored: bool = False
    store: _Store | None = None

    @property
    def count(self) -> int:
        """The number of frames."""
        return len(self.frames)

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor | None]]:
        """Yield the slice of a few frames, their samples [k, h, w] and which of them count."""
        return self.made(lambda chunk, samples, shown: (chunk, samples, shown))

    def made(self, function: Callable[..., Any]) -> Iterator[Any]:
        """Yield what a function makes of the slice of a few frames, their samples and which of them
        count."""
        sampled = self.store.get if self.store else self.sampled

        def of_slice(chunk: slice) -> Any:
            return function(chunk, *sampled(chunk))

        firsts = passing(range(0, self.count, self.step), self.step)
        slices = (slice(first, min(first + self.step, self.count)) for first in firsts)
        return (map if self.whole else each_of)(of_slice, slices)


def align_all(
    frames: torch.Tensor, sampled: Callable[[slice], Samples], stored: bool = False
) -> Aligned:
    """Return frames [n, h, w] as `sampled` aligns those of a slice: in memory, or later if they are
    read block by block. Then they may be `stored` in a scratch file."""
    step = frames_at_once(frames)
    if isinstance(frames, BlockTensor):
        return Aligned(frames, step, sampled, None, stored)
    values, counts = None, None
    for first in range(0, len(frames), step):
        chunk = slice(first, first + step)
        part, shown = sampled(chunk)
        if values is None:
            values = part.new_empty((len(frames), *part.shape[1:]))
            counts = None if shown is None else torch.empty_like(values)
        values[chunk] = part
        if counts is not None and shown is not None:
            counts[chunk] = shown
    assert values is not None

    def of(chunk: slice) -> Samples:
        return values[chunk], None if counts is None else counts[chunk]

    return Aligned(frames, step, of, (values, counts))


def mean_and_spread(
    aligned: Aligned, weights: torch.Tensor | None = None, about: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return the mean [h, w] of aligned frames with weights [n], their mean square difference from
    it [h, w] (unweighted), and how many samples count [h, w], None where all do. `about` [h, w]
    takes the place of the mean where it is given."""
    if aligned.whole is None:
        return _in_one_pass(aligned, weights, about)
    values, counts = aligned.whole
    mean = mean_of_samples(values, counts, weights) if about is None else about
    spread, seen = torch.zeros_like(mean), None if counts is None else counts.sum(0)
    for _, part, shown in aligned:
        square = (part - mean).square()
        spread += (square if shown is None else square * shown).sum(0)
    return mean, spread, seen


def _in_one_pass(
    aligned: Aligned, weights: torch.Tensor | None, about: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Do the same in one pass, and store the samples if asked.

    Sums are of differences from a first guess, so that no large numbers are subtracted.
    """
    sums: list[torch.Tensor] = []
    guess, shown, store = about, None, None
    for chunk, part, shown in aligned:
        guess = part.mean(0) if guess is None else guess
        off = part - guess
        if aligned.stored:
            store = store or _store_for(aligned.frames, part, shown is not None)
            store.put(chunk, part, shown)
        found = _sums(off, part.new_ones(len(part)) if weights is None else weights[chunk], shown)
        sums = found if not sums else [a.add_(b) for a, b in zip(sums, found, strict=True)]
    aligned.store = store
    assert guess is not None
    plain, everything, weighted, light, first, second, seen = sums
    mean = guess + torch.where(light > 0, weighted / light.clamp(min=1e-12), plain / everything)
    mean = mean if about is None else about
    # The mean square about the mean, of that about the guess.
    off = mean - guess
    spread = (second - 2 * off * first + seen * off.square()).clamp(min=0)
    return mean, spread, None if shown is None else seen


def _store_for(frames: torch.Tensor, like: torch.Tensor, counted: bool) -> _Store:
    size = like.shape[1:]
    return _Store(room_for(frames, size), room_for(frames, size, torch.bool) if counted else None)


def _sums(off: torch.Tensor, share: torch.Tensor, shown: torch.Tensor | None) -> list[torch.Tensor]:
    """Return sums over differences [k, h, w] with shares [k] of which `shown` [k, h, w] count: the
    weighted of all, their weight, the same of those that count; of these the plain sum, that of
    squares, and their number."""
    plain, everything = torch.einsum("k,khw->hw", share, off), share.sum()
    if shown is None:
        first = off.sum(0)
        number = torch.full_like(first, len(off))
        return [plain, everything, plain.clone(), everything.expand_as(first).clone(), first,
                off.square().sum(0), number]  # fmt: skip
    counted = shown * off
    return [
        plain,
        everything,
        torch.einsum("k,khw->hw", share, counted),
        torch.einsum("k,khw->hw", share, shown),
        counted.sum(0),
        (counted * off).sum(0),
        shown.sum(0),
    ]
