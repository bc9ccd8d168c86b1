"""Separate the displacement of whole rows, which is the camera's, from the air's."""

from __future__ import annotations

import math

import torch
from einops import rearrange

MODES = 16  # cosines along a frame, without the constant
NOTHING = 1e-12  # px^2; a variance that rounding leaves
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
    modes = min(MODES + 1, rows.shape[1], columns.shape[1])
    basis = _cosines(rows, modes)
    by_row = torch.einsum("mh,nhc->nmc", basis, rows) / rows.shape[1]
    by_column = torch.einsum("mh,nhc->nmc", _cosines(columns, modes), columns) / columns.shape[1]
    total = by_row.square().mean(0)
    air = by_column.square().mean(0).flip(-1)
    air[0] = air_common.to(air)
    # The relative error of a variance over n frames is sqrt(2 / n): only a clear excess counts.
    air = air * (1 + DEVIATIONS * math.sqrt(4 / flow.shape[0]))
    share = torch.where(total > NOTHING, 1 - air / total, 0.0).clamp(min=0)
    return torch.einsum("mh,nmc->nhc", basis, by_row * share)


def _cosines(lines: torch.Tensor, modes: int) -> torch.Tensor:
    """Return the first cosines [modes, m] along lines [n, m, 2], with a mean square of 1."""
    length = lines.shape[1]
    place = (torch.arange(length).to(lines) + 0.5) * (math.pi / length)
    basis = torch.cos(torch.arange(modes).to(lines)[:, None] * place) * math.sqrt(2)
    basis[0] = 1
    return basis
