"""Displacement fields on a coarse grid: one vector per cell of CELL x CELL pixels.

Cells are [n, 2, gy, gx], (dx, dy) in pixels of the frames.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.alignment.motion import binned_motion, flow_of
from burst.ops.blocks import like_blocks, mapped, whole
from burst.ops.filters import square_means

CELL = 4  # px


def cells_of(frames: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Return cells of frames [n, h, w] in which every cell has the frame's shift [n, 2]."""
    gy, gx = cell_counts((frames.shape[-2], frames.shape[-1]))
    spread = rearrange(shifts, "n xy -> n xy 1 1").expand(-1, -1, gy, gx)
    return like_blocks(spread, frames)


def cells_of_motion(
    motion: torch.Tensor, size: tuple[int, int], frames: torch.Tensor
) -> torch.Tensor:
    """Return cells [n, 2, gy, gx] on a grid of size (h, w) that move by a motion [n, 2, 3]; read
    block by block where frames [n, h, w] are."""

    def moved(motion: torch.Tensor) -> torch.Tensor:
        return flow_of(binned_motion(motion, CELL), cell_counts(size)) * CELL

    return mapped(moved, like_blocks(motion, frames))


def expand(cells: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Interpolate cells [n, 2, gy, gx] to a flow [n, 2, h, w]."""

    def expanded(cells: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(cells, (1, 1, 1, 1), mode="replicate")
        fine = functional.interpolate(
            padded, scale_factor=float(CELL), mode="bilinear", align_corners=False
        )
        return fine[:, :, CELL : CELL + size[0], CELL : CELL + size[1]]

    return mapped(expanded, cells)


def average_over_cells(maps: torch.Tensor) -> torch.Tensor:
    """Average maps [n, c, h, w] over cells; the last cells may be partly filled."""
    return square_means(maps, CELL)


def mean_over_frames(cells: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
    """Return the mean [1, 2, gy, gx] of cells over the frames that show them.

    `counts` [n, 1, gy, gx] is the share of a cell that a frame shows; None means all of it.
    """
    if counts is None:
        return cells.mean(0, keepdim=True)
    total = counts.sum(0, keepdim=True)
    mean = (cells * counts).sum(0, keepdim=True) / total.clamp(min=1e-6)
    return torch.where(total > 0, mean, cells.mean(0, keepdim=True))


def cell_counts(size: tuple[int, int]) -> tuple[int, int]:
    """Return how many cells (gy, gx) a grid of size (h, w) has."""
    return -(-size[0] // CELL), -(-size[1] // CELL)


def resize_cells(cells: torch.Tensor, count: tuple[int, int]) -> torch.Tensor:
    """Interpolate cells to another number of cells (gy, gx); the vectors keep their length."""
    if cells.shape[-2:] == count:
        return cells

    def resized(cells: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(cells, size=count, mode="bilinear", align_corners=False)

    return mapped(resized, cells)


def folded(cells: torch.Tensor) -> float:
    """Return the share of cells [n, 2, gy, gx] at which their displacement folds the frame."""

    def share(cells: torch.Tensor) -> torch.Tensor:
        along = cells[:, :, :-1].diff(dim=3) / CELL
        down = cells[:, :, :, :-1].diff(dim=2) / CELL
        area = (1 + along[:, 0]) * (1 + down[:, 1]) - along[:, 1] * down[:, 0]
        return (area < 0).to(cells).mean((1, 2))

    return float(whole(mapped(share, cells)).mean())
