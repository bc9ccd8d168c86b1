"""The only place that resamples: pixel centres at integers, one displacement convention.

A displacement field is [n, 2, h, w] in pixels, channel 0 to the right and channel 1 down, from the
reference grid to the frame: `warp(frame, flow)` samples the frame at p + flow(p).
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch.nn import functional

HALFWAY = 16  # taps of the windowed sinc that interpolates halfway between pixels
LEAST_MARGIN, MOST_MARGIN = 3, 32  # px; that bicubic samples reach beyond; that is worth its time
KAISER_BETA = 4.5  # of its window; with 16 taps, 3 % error (see `twice_as_fine`)


def warp(frames: torch.Tensor, flow: torch.Tensor, mode: str = "bicubic") -> torch.Tensor:
    """Sample frames [n, h, w] at p + flow(p), flow [n, 2, h', w'] -> [n, h', w']; edges reflect.

    The grid of the flow starts at pixel (0, 0) of the frame and may differ from it in size.
    """
    margin = _margin(frames, flow) if mode == "bicubic" else 0
    shared = len(flow) > 1 and flow.stride(0) == 0  # one flow for all, whose weights are made once
    flow = flow[:1] if shared else flow
    if margin:
        padded = functional.pad(rearrange(frames, "n h w -> n 1 h w"), (margin,) * 4, "reflect")
        frames = rearrange(padded, "n 1 h w -> n h w")
    height, width = frames.shape[-2:]
    x, y = (places + margin for places in pixel_grid(flow))
    # grid_sample counts from -1 at the first pixel's centre to 1 at the last one's.
    across, down = 2 / max(width - 1, 1), 2 / max(height - 1, 1)
    # The two coordinates stay separate planes: interleaving them would be a slow copy.
    to_x = torch.add(x * across - 1, flow[:, 0], alpha=across)
    grid = torch.stack((to_x, torch.add(y * down - 1, flow[:, 1], alpha=down)), dim=1)
    sampled = functional.grid_sample(
        rearrange(frames, "n h w -> 1 n h w" if shared else "n h w -> n 1 h w"),
        rearrange(grid, "n xy h w -> n h w xy"),
        mode=mode,
        padding_mode="zeros" if margin else "reflection",
        align_corners=True,
    )
    return rearrange(sampled, "1 n h w -> n h w" if shared else "n 1 h w -> n h w")


def _margin(frames: torch.Tensor, flow: torch.Tensor) -> int:
    """Return how many px frames [n, h, w] are mirrored beyond their edges before they are sampled
    by a flow; 0 where samples reach too far. To mirror every sample takes a CPU half as long again
    as all else; GPUs do the same, so that they round alike. A flow that is being learnt is not
    looked at: training is recorded, and may not wait for numbers."""
    height, width = frames.shape[-2:]
    if flow.requires_grad or flow.shape[-2] > height or flow.shape[-1] > width:
        return 0
    low, high = flow.aminmax()
    farthest = max(-float(low), float(high))
    if not farthest < min(MOST_MARGIN, height - 1, width - 1) - LEAST_MARGIN:
        return 0
    return math.ceil(farthest) + LEAST_MARGIN


def sample(images: torch.Tensor, there: torch.Tensor, mode: str = "bicubic") -> torch.Tensor:
    """Sample images [c, h, w] at points [2, h', w'] (x, y) -> [c, h', w']; beyond the edges they
    are as on them."""
    last = there.new_tensor([max(side - 1, 1) for side in images.shape[:0:-1]])[:, None, None]
    grid = rearrange(there * (2 / last) - 1, "xy h w -> 1 h w xy")
    return functional.grid_sample(
        images[None], grid, mode=mode, padding_mode="border", align_corners=True
    )[0]


def sample_lines(maps: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Interpolate maps [c, h, w] linearly where columns x [w'] and rows y [h'], ascending, cross
    -> [c, h', w']; beyond the edges they are as on them."""
    height, width = maps.shape[-2:]
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    left, top = x.floor().long(), y.floor().long()
    first, end = int(top[0]), min(int(top[-1]) + 2, height)
    lines = maps[:, first:end]
    lines = torch.lerp(lines[..., left], lines[..., (left + 1).clamp(max=width - 1)], x - left)
    # Columns before rows: whole rows are copied fast.
    above, below = (
        lines.index_select(1, row - first) for row in (top, (top + 1).clamp(max=end - 1))
    )
    return torch.lerp(above, below, (y - top)[:, None])


def twice_as_fine(images: torch.Tensor) -> torch.Tensor:
    """Return images [n, h, w] at their pixels and halfway between, [n, 2h - 1, 2w - 1].

    A shift by half a pixel with `warp` costs a third of the contrast at 3/8 of a cycle per pixel.
    From an image twice as fine, any shift changes the contrast by 3 % at most.
    """
    window = torch.kaiser_window(HALFWAY, periodic=False, beta=KAISER_BETA)
    kernel = torch.sinc(torch.arange(HALFWAY) - (HALFWAY - 1) / 2) * window
    kernel = (kernel / kernel.sum()).to(images)[None, None]
    for _ in range(2):
        count, height, width = images.shape
        lines = rearrange(images, "n h w -> (n h) 1 w")
        margin = HALFWAY // 2 - 1
        between = functional.conv1d(functional.pad(lines, (margin, margin), "reflect"), kernel)
        between = between.reshape(count, height, width - 1)
        pairs = torch.stack([images[..., :-1], between], dim=-1).flatten(-2)
        images = torch.cat([pairs, images[..., -1:]], dim=-1).mT
    return images


def warp_finer(finer: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Sample images [n, 2h - 1, 2w - 1] of `twice_as_fine` like `warp`, without loss of fine
    detail.

    The flow [n, 2, h', w'] is in pixels of the original images, and so is the result.
    """
    x, y = pixel_grid(flow)
    # A pixel of the image is two of the finer one.
    return warp(finer, flow + torch.stack([x + flow[:, 0], y + flow[:, 1]], dim=1))


def pixel_grid(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x [1, w] and y [h, 1], the pixel centres of a tensor [..., h, w]."""
    height, width = like.shape[-2:]
    x = torch.arange(width, dtype=like.dtype, device=like.device)
    y = torch.arange(height, dtype=like.dtype, device=like.device)
    return x[None, :], y[:, None]


def within(
    x: torch.Tensor, y: torch.Tensor, size: tuple[int, int], border: float = 0.0
) -> torch.Tensor:
    """Return whether points (x, y) px, of any shape, lie in a frame of size (h, w).

    The frame extends from the centre of its first pixel to that of its last, less `border` px on
    each side; a negative border extends it.
    """
    height, width = size
    across = (x >= border) & (x <= width - 1 - border)
    return across & (y >= border) & (y <= height - 1 - border)


def compose(flow: torch.Tensor, row_motion: torch.Tensor | None) -> torch.Tensor:
    """Add row motion [n, h, 2] to a flow [n, 2, h, w], so that frames are warped once."""
    if row_motion is None:
        return flow
    return flow + rearrange(row_motion, "n h xy -> n xy h 1")


def invert(displacement: torch.Tensor, iterations: int = 4) -> torch.Tensor:
    """Return f with f(p) = displacement(p + f(p)) for [n, 2, h, w], by fixed-point iteration.

    Turns "where a pixel's light came from" into "where a point of the reference went". Converges
    while the displacement changes by less than a pixel per pixel.
    """
    flow = displacement.clone()
    for _ in range(iterations):
        flow = torch.stack(
            [warp(displacement[:, axis], flow, mode="bilinear") for axis in (0, 1)], dim=1
        )
    return flow


def resize_field(field: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Interpolate fields [n, c, gy, gx] to [n, c, h, w], corners on corners; values are kept."""
    if field.shape[-2:] == size:
        return field
    return functional.interpolate(field, size=size, mode="bicubic", align_corners=True)
