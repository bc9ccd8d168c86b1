"""The 2x2 colour pattern: a mosaic [h, w] and its four planes R, G1, G2, B [4, h/2, w/2].

G1 is the green in the rows of red, G2 the one in the rows of blue.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from burst.lazy import kornia
from burst.records import BAYER_PATTERNS, Stack, StackError

PLANE_NAMES = ("R", "G1", "G2", "B")


def cfa_sites(cfa: str) -> tuple[tuple[int, int], ...]:
    """Return (row, column) in the 2x2 cell of R, G1, G2 and B; StackError if it is no pattern."""
    if cfa not in BAYER_PATTERNS:
        raise StackError(
            f"cfa: expected one of {', '.join(BAYER_PATTERNS)}, found '{cfa}'."
            " A mono stack has no planes: restore it as it is."
        )
    row, column = divmod(cfa.index("R"), 2)
    return (row, column), (row, 1 - column), (1 - row, column), (1 - row, 1 - column)


def mosaic_to_planes(mosaic: torch.Tensor, cfa: str) -> torch.Tensor:
    """Pack mosaics [..., h, w] into planes [..., 4, h/2, w/2]; StackError for odd sizes."""
    _check_even(mosaic)
    return torch.stack([mosaic[..., y::2, x::2] for y, x in cfa_sites(cfa)], dim=-3)


def planes_to_mosaic(planes: torch.Tensor, cfa: str) -> torch.Tensor:
    """Invert `mosaic_to_planes`: planes [..., 4, h, w] to mosaics [..., 2h, 2w]."""
    height, width = planes.shape[-2:]
    mosaic = planes.new_empty(*planes.shape[:-3], 2 * height, 2 * width)
    for plane, (y, x) in zip(planes.unbind(-3), cfa_sites(cfa), strict=True):
        mosaic[..., y::2, x::2] = plane
    return mosaic


def planes_to_sites(planes: torch.Tensor) -> torch.Tensor:
    """Return what holds for the cells [..., h/2, w/2] for each of their sites [..., h, w]."""
    return planes.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


def demosaic(mosaic: torch.Tensor, cfa: str) -> torch.Tensor:
    """Interpolate a mosaic [h, w] (even sizes, any float range) bilinearly to colour [3, h, w]."""
    _check_even(mosaic)
    # Kornia follows OpenCV, which names a pattern by the cell that begins at pixel (1, 1).
    names = {"RGGB": "BG", "GRBG": "GB", "BGGR": "RG", "GBRG": "GR"}
    cfa_sites(cfa)
    rgb: torch.Tensor = kornia.color.raw_to_rgb(mosaic[None], kornia.color.CFA[names[cfa]])
    return rgb


def split_planes(stack: Stack) -> tuple[Stack, ...]:
    """Return four mono stacks R, G1, G2, B of a Bayer stack, as views of its frames.

    An odd last row or column is left out. Each plane has its own black level; its rows are every
    second row of the sensor, so they follow one another after twice the row time.
    """
    height, width = stack.height // 2 * 2, stack.width // 2 * 2
    blacks = stack.sensor.black_levels
    planes = []
    for name, (y, x) in zip(PLANE_NAMES, cfa_sites(stack.sensor.cfa), strict=True):
        sensor = replace(
            stack.sensor,
            black_level=blacks[2 * y + x] if len(blacks) > 1 else blacks[0],
            cfa="mono",
            row_time=2 * stack.sensor.row_time,
            sampling=2 * stack.sensor.sampling,
        )
        plane = (slice(None), slice(y, height, 2), slice(x, width, 2))
        planes.append(
            replace(
                stack,
                frames=stack.frames[plane],
                sensor=sensor,
                name=f"{stack.name}-{name}",
                measured=None if stack.measured is None else stack.measured[plane],
            )
        )
    return tuple(planes)


def _check_even(mosaic: torch.Tensor) -> None:
    height, width = mosaic.shape[-2:]
    if height % 2 or width % 2:
        raise StackError(
            f"mosaic: expected an even number of rows and columns, found {height} x {width}."
            " Leave out the last row or column."
        )
