"""A network on a large image, tile by tile. Tiles overlap, so that each sees what its pixels need.

Axes: b batch, c channels, h rows, w columns, t prior vectors ("tokens") in a square, d their
length.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from einops import rearrange
from torch.nn import functional

# px, multiples of the windows over which the network pools, so that these lie as in the whole
# image. With a margin of 192 px the corrections of turbulence-medium differ by 1e-3 at most, and by
# 2e-5 rms; most of it comes from the grid of the prior.
CORE, MARGIN = 768, 192
# Without a prior: corrections of `handheld` differ by 3e-4 at most, and by 7e-6 rms.
MARGIN_ALONE = 96
GRID = 128  # tokens along a side of a tile: enough for the corners of the interpolated prior


def in_tiles(
    network: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor],
    planes: torch.Tensor,
    tokens: torch.Tensor | None,
) -> torch.Tensor:
    """Return what a network makes of planes [b, c, h, w] and tokens [b, t, d], tile by tile."""
    margin = MARGIN_ALONE if tokens is None else MARGIN
    height, width = size = (planes.shape[-2], planes.shape[-1])
    result = None
    for top in range(0, height, CORE):
        for left in range(0, width, CORE):
            core = (top, min(top + CORE, height), left, min(left + CORE, width))
            y0, y1, x0, x1 = (
                max(core[0] - margin, 0), min(core[1] + margin, height),
                max(core[2] - margin, 0), min(core[3] + margin, width),
            )  # fmt: skip
            own = None if tokens is None else tokens_of_part(tokens, size, (y0, y1, x0, x1))
            made = network(planes[..., y0:y1, x0:x1], own)
            if result is None:
                result = made.new_empty(*made.shape[:2], height, width)
            inner = made[..., core[0] - y0 : core[1] - y0, core[2] - x0 : core[3] - x0]
            result[..., core[0] : core[1], core[2] : core[3]] = inner
    assert result is not None
    return result


def tokens_of_part(
    tokens: torch.Tensor, size: tuple[int, int], part: tuple[int, int, int, int]
) -> torch.Tensor:
    """Return tokens [b, t', d] whose map over a part (top, bottom, left, right) of an image of size
    (h, w) is that of the tokens [b, t, d] over the whole image, interpolated between the centres of
    their cells."""
    side = math.isqrt(tokens.shape[1])
    if side == 1:
        return tokens
    grid = rearrange(tokens, "b (y x) d -> b d y x", y=side)
    step = torch.arange(GRID, dtype=tokens.dtype, device=tokens.device) + 0.5
    y, x = (
        2 * (first + (last - first) * step / GRID) / length - 1
        for first, last, length in ((part[0], part[1], size[0]), (part[2], part[3], size[1]))
    )
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    sampled = functional.grid_sample(
        grid, places.expand(len(grid), -1, -1, -1), padding_mode="border", align_corners=False
    )
    return rearrange(sampled, "b d y x -> b (y x) d")
