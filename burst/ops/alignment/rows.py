"""Displacement of whole rows, told apart from the air's."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from scipy import fft

MODES = 16  # cosines along a frame, the constant not counted
DEVIATIONS = 2.0  # by which the rows' variance has to exceed the air's


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
