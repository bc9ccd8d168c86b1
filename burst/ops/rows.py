"""Displacement of whole rows: measured on the aligned frames, and told apart from the air's."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from kornia.filters import gaussian_blur2d
from scipy import fft

from burst.ops.registration import (
    FRAMES_AT_ONCE,
    difference_variance,
    gradient,
    pixel_weight,
)
from burst.ops.warp import warp
from burst.records import NoiseModel

MODES = 16  # cosines along a frame, the constant not counted
DEVIATIONS = 2.0  # by which the rows' variance has to exceed the air's


def row_residual(
    frames: torch.Tensor, noise: NoiseModel, flow: torch.Tensor, sigma: float
) -> torch.Tensor:
    """Measure what displacement [n, h, 2] of their rows the aligned frames still have.

    Frames [n, h, w] and flow [n, 2, h, w]. Least squares over whole rows, `sigma` rows wide in time
    of readout, shrunk by what noise explains.
    """
    warped = torch.cat(
        [
            warp(f, u)
            for f, u in zip(frames.split(FRAMES_AT_ONCE), flow.split(FRAMES_AT_ONCE), strict=True)
        ]
    )
    reference = warped.mean(0)
    weight, _ = pixel_weight(warped, reference, noise)
    gx, gy = gradient(reference)
    normal = torch.stack([weight * gx * gx, weight * gx * gy, weight * gy * gy])
    xx, xy, yy = _along_rows(normal, sigma)
    errors = (reference - chunk for chunk in warped.split(FRAMES_AT_ONCE))
    steep = torch.stack([weight * gx, weight * gy])
    right = torch.cat(
        [_along_rows(steep * rearrange(e, "n h w -> n 1 h w"), sigma) for e in errors]
    )
    pixels = 2 * math.sqrt(math.pi) * sigma * frames.shape[2]
    matrix = (xx[:, None], xy[:, None], yy[:, None])
    pull = 1 / (pixels * difference_variance(right[..., None], *matrix, pixels))
    determinant = (xx + pull) * (yy + pull) - xy * xy
    dx = ((yy + pull) * right[:, 0] - xy * right[:, 1]) / determinant
    dy = ((xx + pull) * right[:, 1] - xy * right[:, 0]) / determinant
    residual = torch.stack([dx, dy], dim=-1)
    return residual - residual.mean(0, keepdim=True)


def separate(flow: torch.Tensor, air_common: torch.Tensor) -> torch.Tensor:
    """Return the share [n, h, 2] of a flow [n, 2, h, w] that moves whole rows: the camera's.

    The air moves columns as much as rows, with x and y exchanged; the camera moves all columns
    alike. So the variance of each cosine mode along the columns, over the frames, is the air's, and
    what the rows have above it is the camera's: a Wiener filter mode by mode. Of a frame as a whole
    the air's share of variance `air_common` [2] px^2 has to be told, for x and y.
    """
    rows = rearrange(flow.mean(3), "n xy h -> n h xy")
    columns = rearrange(flow.mean(2), "n xy w -> n w xy")
    by_row, by_column = _cosines(rows), _cosines(columns)
    modes = min(by_row.shape[1], by_column.shape[1])
    total = by_row[:, :modes].square().mean(0)
    air = by_column[:, :modes].square().mean(0).flip(-1)
    air[0] = air_common.to(air)
    # Variances of n frames are known to a share of sqrt(2 / n) each: only a clear excess counts.
    air = air * (1 + DEVIATIONS * math.sqrt(4 / flow.shape[0]))
    kept = torch.zeros_like(rows)
    kept[:, :modes] = by_row[:, :modes] * (1 - air / total.clamp(min=1e-12)).clamp(min=0)
    kept *= math.sqrt(rows.shape[1])
    return torch.from_numpy(fft.idct(kept.cpu().numpy(), axis=1, norm="ortho")).to(flow)


def _cosines(lines: torch.Tensor) -> torch.Tensor:
    """Return the first cosine coefficients [n, modes, 2] of lines [n, m, 2], independent of m."""
    spectrum = fft.dct(lines.cpu().numpy(), axis=1, norm="ortho") / math.sqrt(lines.shape[1])
    return torch.from_numpy(spectrum[:, : MODES + 1]).to(lines)


def _along_rows(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Average maps [..., h, w] over columns and by a Gaussian over near rows -> [..., h]."""
    means = maps.mean(-1)
    flat = means.reshape(1, -1, means.shape[-1], 1)
    reach = 2 * math.ceil(3 * sigma) + 1
    blurred = gaussian_blur2d(flat, (reach, 1), (sigma, 1.0), border_type="replicate")
    return blurred.reshape(means.shape)
