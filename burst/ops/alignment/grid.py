"""The grid that frames are registered on where it is not their own, and binning of frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.ops.alignment.motion import binned_motion
from burst.ops.blocks import mapped
from burst.ops.chunks import in_chunks
from burst.ops.filters import square_means

HALF = 0.5  # share of a bin's pixels that have to be valid


@dataclass(frozen=True)
class Grid:
    """A grid that frames are registered on. Samples from far outside a frame do not count.

    size    (h, w) px
    motion  [n, 2, 3] of the camera, from the grid to the frames, or None
    valid   [n, h, w] which values of the frames were measured
    corner  (x, y) px of its upper left corner in the mean frame
    """

    size: tuple[int, int]
    motion: torch.Tensor | None
    valid: torch.Tensor
    corner: tuple[int, int] = (0, 0)

    def binned(self, factor: int) -> Grid:
        """Return the grid for frames that `bin_frames` made smaller."""
        if factor == 1:
            return self
        size = (self.size[0] // factor, self.size[1] // factor)
        motion = None if self.motion is None else binned_motion(self.motion, factor)
        valid = in_chunks(lambda part: bin_frames(part.float(), factor) > HALF, self.valid)
        return Grid(size, motion, valid)


def bin_frames(frames: torch.Tensor, factor: int) -> torch.Tensor:
    """Average frames [n, h, w] over overlapping squares, a factor apart and twice as wide.

    The overlap prevents aliasing of fine stripes, which would seem to move wrongly. Rows and
    columns that do not fill a bin are cut off.
    """
    if factor == 1:
        return frames
    margin = factor // 2

    def binned(block: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(block[:, None], (margin,) * 4, mode="replicate")[:, 0]
        height, width = (side // factor * factor for side in padded.shape[1:])
        # A square is four others, each of which is shared by four.
        fourth = square_means(padded[:, :height, :width], factor)
        rows = fourth[:, :-1] + fourth[:, 1:]
        return (rows[..., :-1] + rows[..., 1:]) / 4

    return mapped(binned, frames)


def bin_measured(frames: torch.Tensor, factor: int, grid: Grid | None) -> torch.Tensor:
    """Bin frames [n, h, w]; with a grid only its valid values count."""
    if grid is None or factor == 1 or bool(grid.valid.all()):
        return bin_frames(frames, factor)

    def binned(part: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        share = bin_frames(valid.to(part), factor)
        return bin_frames(torch.where(valid, part, 0.0), factor) / share.clamp(min=1e-6)

    return in_chunks(binned, frames, grid.valid)
