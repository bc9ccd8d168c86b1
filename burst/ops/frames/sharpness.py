"""Sharpness of frames and tiles, with the contribution of noise removed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from burst.ops.blocks import mapped
from burst.ops.chunks import frames_at_once
from burst.ops.filters import separable
from burst.ops.reductions import joined
from burst.records import NoiseModel

# Fourth binomial row; applied twice it is the eighth. Their difference is a pass band around a
# sixth of a cycle per pixel, which blur takes first and in which a scene still has light.
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
REACH = len(BINOMIAL) // 2

CELLS = 8  # along a side of a tile


def tile_sharpness(
    frames: torch.Tensor, noise: NoiseModel, tile: int, ratio: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the band-pass energy [n, ty, tx] of frames [n, h, w] in tiles, without that of noise.
    The energy that the noise model predicts for the band is subtracted; the result is never
    negative. `ratio` [n], if given, multiplies the noise variance of each frame."""
    impulse = functional.pad(torch.ones(1, 1, 1), (4 * REACH,) * 4)
    gain = float(_band(impulse).square().sum())
    size = min(tile, frames.shape[1], frames.shape[2])
    at_once = frames_at_once(frames)
    # Frame by frame on a CPU, whose cache holds the arrays of one large frame.
    few = 1 if frames.device.type == "cpu" else at_once
    scale = gain * (frames.new_ones(len(frames)) if ratio is None else ratio)

    def pieces() -> Iterator[torch.Tensor]:
        for first in range(0, len(frames), at_once):
            chunk = frames[first : first + at_once]
            own = scale[first : first + at_once, None, None]
            for part, gains in zip(chunk.split(few), own.split(few), strict=True):
                excess = _band(part).square() - gains * noise.variance(part)
                yield functional.avg_pool2d(excess[:, None], size)[:, 0]

    return joined(pieces(), len(frames)).clamp(min=0)


def best_cells(tiles: torch.Tensor, share: float) -> torch.Tensor:
    """Return in which cells, of which `CELLS` make a side of a tile, frames are among the sharpest
    `share` of all [n, cy, cx] (1 or 0), by the sharpness of tiles [n, ty, tx].

    That is interpolated, so that no border of a tile shows; at least two frames are among them.
    """
    size = [CELLS * side for side in tiles.shape[1:]]
    cells = functional.interpolate(tiles[:, None], size, mode="bilinear")[:, 0]
    best = min(max(2, round(share * len(cells))), len(cells))
    return (cells >= cells.kthvalue(len(cells) - best + 1, dim=0).values).to(cells)


def places_of_cells(frames: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Return which values of frames [n, h, w] lie in chosen cells [n, cy, cx] or in cells beside
    them, from which the air may bring a sample, [n, h, w] bool."""
    chosen = functional.max_pool2d(cells, 3, 1, 1)

    def spread(frames: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        size = (frames.shape[-2], frames.shape[-1])
        parts = chosen[:, None].split(frames_at_once(frames))
        return torch.cat([functional.interpolate(part, size)[:, 0] > 0 for part in parts])

    return mapped(spread, frames, chosen)


def _band(frames: torch.Tensor) -> torch.Tensor:
    """Return the pass band of frames [n, h, w]; edges reflect."""
    row = torch.tensor(BINOMIAL)
    padded = functional.pad(frames[:, None], (2 * REACH,) * 4, mode="reflect")[:, 0]
    fine = separable(padded, row)
    return fine[..., REACH:-REACH, REACH:-REACH] - separable(fine, row)
