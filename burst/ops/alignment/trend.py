"""Smooth trends in time: cameras drift, air does not."""

from __future__ import annotations

import torch

DEGREE = 3
FRAMES_EACH = 10  # frames for each degree at least, so that noise is not fitted
DRIFT = 0.7  # share of a variance above which a trend is a drift; air and vibration reach 0.5
MOST_WEIGHTS = 1 << 22  # at once, of which there are m x n


def trend(values: torch.Tensor, times: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Fit a polynomial to values [n, ...] at times [n]; return it [m, ...] at wanted times [m].

    The degree is 3, less for few frames. Values have at most one axis more.
    """
    degree = min(DEGREE, len(values) // FRAMES_EACH)
    first, last = times.min(), times.max()
    basis, at = (
        _powers((2 * t - first - last) / (last - first).clamp(min=1), degree).to(values.real)
        for t in (times, wanted)
    )
    q, r = torch.linalg.qr(basis)
    weights = torch.linalg.solve_triangular(r, q.T, upper=True)
    few = at.split(max(1, MOST_WEIGHTS // len(values)))
    return torch.cat([(part @ weights).to(values.dtype) @ values for part in few])


def nearest(wanted: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return which of ascending times [n] is nearest to each that is wanted [m]; of two the earlier
    one."""
    after = torch.searchsorted(times, wanted.contiguous()).clamp(max=len(times) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where(wanted - times[before] <= times[after] - wanted, before, after)


def _powers(time: torch.Tensor, degree: int) -> torch.Tensor:
    return torch.stack([time**k for k in range(degree + 1)], dim=1)
