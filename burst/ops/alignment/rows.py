"""Separate the displacement of whole rows, which is the camera's, from the air's."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from scipy import fft

MODES = 16  # cosines along a frame, without the constant
DEVIATIONS = 2.0  # standard deviations by which the rows' variance has to exceed the air's


def separate(flow: torch.Tensor, air_common: torch.Tensor) -> torch.Tensor:
    """Return the displacement [n, h, 2] px of whole rows, of a flow [n, 2, h, w].

    The air moves columns as much as rows, with x and y exchanged; the camera moves all columns
    alike. So the variance of each cosine mode along the columns, over the frames, is the air's, and
    the excess of the rows is the camera's: a Wiener filter for each mode. For the mean of a frame,
    the air's variance `air_common` [2] px^2 is given, for x and y.
    """
    rows = rearrange(flow.mean(3), "n xy h -> n h xy")
    columns = rearrange(flow.mean(2), "n xy w -> n w xy")
    by_row, by_column = _cosines(rows), _cosines(columns)
    modes = min(by_row.shape[1], by_column.shape[1])
    total = by_row[:, :modes].square().mean(0)
    air = by_column[:, :modes].square().mean(0).flip(-1)
    air[0] = air_common.to(air)
    # The relative error of a variance over n frames is sqrt(2 / n): only a clear excess counts.
    air = air * (1 + DEVIATIONS * math.sqrt(4 / flow.shape[0]))
    kept = torch.zeros_like(rows)
    kept[:, :modes] = by_row[:, :modes] * (1 - air / total.clamp(min=1e-12)).clamp(min=0)
    kept *= math.sqrt(rows.shape[1])
    return torch.from_numpy(fft.idct(kept.cpu().numpy(), axis=1, norm="ortho")).to(flow)


def _cosines(lines: torch.Tensor) -> torch.Tensor:
    """Return the first cosine coefficients [n, modes, 2] of lines [n, m, 2], independent of m."""
    spectrum = fft.dct(lines.cpu().numpy(), axis=1, norm="ortho") / math.sqrt(lines.shape[1])
    return torch.from_numpy(spectrum[:, : MODES + 1]).to(lines)
