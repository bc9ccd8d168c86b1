"""The camera's motion: shift, turn and scale of each frame, and the part that all frames show.

A motion is [n, 2, 3]: a point (x, y) of the reference grid lies at motion @ (x, y, 1) in the
frame, in pixels. The air's displacement is a field `air` [n, 2, h, w] on the reference grid. Both
together are one flow, p + flow(p) = motion(p + air(p)), by which frames are resampled once.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from einops import einsum, rearrange

from burst.ops.blocks import mapped
from burst.ops.warp import pixel_grid, warp

POINTS = 128  # along the shorter side, at which it is tested which frames show them


def flow_of(motion: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the flow [n, 2, h, w] of a motion [n, 2, 3] on a grid of size (h, w)."""
    x, y = pixel_grid(motion.new_empty(1).expand(size))
    m = rearrange(motion, "n xy three -> three xy n 1 1")
    along, down, offset = m[0], m[1], m[2]
    return torch.stack(
        [
            (along[0] - 1) * x + down[0] * y + offset[0],
            along[1] * x + (down[1] - 1) * y + offset[1],
        ],
        dim=1,
    )


def add_motion(air: torch.Tensor, motion: torch.Tensor | None) -> torch.Tensor:
    """Return the flow [n, 2, h, w] of the air's displacement [n, 2, h, w], then the motion."""
    if motion is None:
        return air

    def moved(part: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
        turned = einsum(motion[:, :, :2], part, "n i j, n j h w -> n i h w")
        return flow_of(motion, (part.shape[-2], part.shape[-1])) + turned

    return mapped(moved, air, motion)


def without_motion(flow: torch.Tensor, motion: torch.Tensor | None) -> torch.Tensor:
    """Invert `add_motion`: return the air's displacement [n, 2, h, w] of a flow [n, 2, h, w]."""
    if motion is None:
        return flow

    def still(part: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
        rest = part - flow_of(motion, (part.shape[-2], part.shape[-1]))
        back = torch.linalg.inv(motion[:, :, :2])
        air: torch.Tensor = einsum(back, rest, "n i j, n j h w -> n i h w")
        return air

    return mapped(still, flow, motion)


def binned_motion(motion: torch.Tensor, factor: int) -> torch.Tensor:
    """Return a motion [n, 2, 3] in pixels `factor` times as large, as `bin_frames` makes them."""
    middle = (factor - 1) / 2  # of the first large pixel
    linear = motion[:, :, :2]
    shift = (linear.sum(2) * middle + motion[:, :, 2] - middle) / factor
    return torch.cat([linear, shift[:, :, None]], dim=2)


def shifted_grid(motion: torch.Tensor, offset: tuple[int, int]) -> torch.Tensor:
    """Return a motion [n, 2, 3] from a grid whose pixel (0, 0) is pixel `offset` (x, y)."""
    start = motion.new_tensor(offset)
    shift = motion[:, :, :2] @ start + motion[:, :, 2]
    return torch.cat([motion[:, :, :2], shift[:, :, None]], dim=2)


def middle_shift(motion: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the shift [n, 2] px of the middle of frames of size (h, w)."""
    middle = motion.new_tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])
    shift: torch.Tensor = motion[:, :, :2] @ middle + motion[:, :, 2] - middle
    return shift


def inverse(motion: torch.Tensor) -> torch.Tensor:
    """Return the motion [n, 2, 3] from the frames back to the reference grid."""
    linear = torch.linalg.inv(motion[:, :, :2])
    return torch.cat([linear, -linear @ motion[:, :, 2:]], dim=2)


def chain(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the motion [n, 2, 3] that applies `first`, then `second`."""
    linear = second[:, :, :2] @ first[:, :, :2]
    return torch.cat([linear, second[:, :, :2] @ first[:, :, 2:] + second[:, :, 2:]], dim=2)


def move(motion: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return where points [n, 2, h, w] (x, y) of the reference grid lie in the frames."""
    moved = einsum(motion[:, :, :2], points, "n i j, n j h w -> n i h w")
    return moved + motion[:, :, 2, None, None]


def reach(motion: torch.Tensor, size: tuple[int, int]) -> int:
    """Return by how many pixels frames of size (h, w) extend beyond the reference grid at most."""
    height, width = size
    corners = motion.new_tensor(
        [[[0, width - 1], [0, width - 1]], [[0, 0], [height - 1, height - 1]]]
    )
    seen = move(inverse(motion), corners.expand(len(motion), -1, -1, -1))
    last = motion.new_tensor([width - 1, height - 1])[:, None, None]
    return math.ceil(max(float(-seen.min()), float((seen - last).max()), 0.0))


def shown_part(
    motion: torch.Tensor, size: tuple[int, int], share: float
) -> tuple[int, int, int, int]:
    """Return left, top, width and height (px) of the largest rectangle of the reference grid that
    at least a `share` of the frames of size (h, w) show; width and height are 0 if there is
    none."""
    height, width = size
    margin = reach(motion, size)
    step = max(1, min(size) // POINTS)
    y, x = (torch.arange(-margin, length + margin, step).to(motion) for length in (height, width))
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    count = torch.zeros_like(points[0])
    for one in motion:
        seen = move(one[None], points[None])[0]
        count += (seen[0] >= 0) & (seen[0] <= width - 1) & (seen[1] >= 0) & (seen[1] <= height - 1)
    enough = count >= math.ceil(share * len(motion))
    left, top, across, down = largest_rectangle(enough.cpu().numpy())
    if across == 0:
        return 0, 0, 0, 0
    return (
        left * step - margin, top * step - margin, (across - 1) * step + 1, (down - 1) * step + 1
    )  # fmt: skip


def turn_and_scale(motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the turn [n] in degrees and the scale factor [n] of frames."""
    scale = torch.linalg.det(motion[:, :, :2]).clamp(min=0).sqrt()
    return torch.rad2deg(torch.atan2(motion[:, 1, 0], motion[:, 0, 0])), scale


def moved_tiles(
    tiles: torch.Tensor, motion: torch.Tensor, size: tuple[int, int], grid: tuple[int, int]
) -> torch.Tensor:
    """Resample tiles [n, ty, tx] of frames of size (h, w) to tiles [n, ty', tx'] of a reference
    grid of size (h', w'); outside a frame the value of its border counts."""
    across, down = size[1] / tiles.shape[-1], size[0] / tiles.shape[-2]
    x, y = (
        (torch.arange(max(1, round(length / side))).to(motion) + 0.5) * length
        / max(1, round(length / side)) - 0.5
        for length, side in ((grid[1], across), (grid[0], down))
    )  # fmt: skip
    middles = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    seen = move(motion, middles.expand(len(motion), -1, -1, -1))
    column = ((seen[:, 0] + 0.5) / across - 0.5).clamp(0, tiles.shape[-1] - 1)
    row = ((seen[:, 1] + 0.5) / down - 0.5).clamp(0, tiles.shape[-2] - 1)
    x, y = pixel_grid(seen)
    return warp(tiles, torch.stack([column - x, row - y], dim=1), mode="bilinear")


def largest_rectangle(shown: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the largest all-true rectangle of a mask [h, w]; width
    and height are 0 where nothing is true."""
    best, area = (0, 0, 0, 0), 0
    run = np.zeros(shown.shape[1], int)
    for y, row in enumerate(shown):
        run = np.where(row, run + 1, 0)
        # Largest rectangle in a histogram: each open bar keeps the leftmost column that it covers.
        opened: list[tuple[int, int]] = []
        for x, height in enumerate([*run.tolist(), 0]):
            left = x
            while opened and opened[-1][1] >= height:
                left, tall = opened.pop()
                if tall * (x - left) > area:
                    area, best = tall * (x - left), (left, y - tall + 1, x - left, tall)
            opened.append((left, height))
    return best
