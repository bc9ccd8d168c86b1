"""Smooth courses in time, which cameras have and air has not."""

from __future__ import annotations

import torch

DEGREE = 3
FRAMES_EACH = 10  # frames for each degree at least, so that chance follows no course
DRIFT = 0.7  # of a variance, beyond which a trend is a drift; air and vibration reach 0.5


def trend(values: torch.Tensor, times: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the smooth course [m, ...] at wanted times [m] through values [n, ...] at times [n].

    A polynomial of degree 3, of less for few frames; values have one axis more at most.
    """
    degree = min(DEGREE, len(values) // FRAMES_EACH)
    first, last = times.min(), times.max()
    basis, at = (
        _powers((2 * t - first - last) / (last - first).clamp(min=1), degree).to(values.real)
        for t in (times, wanted)
    )
    q, r = torch.linalg.qr(basis)
    weights = torch.linalg.solve_triangular(r, q.T, upper=True)
    course: torch.Tensor = (at @ weights).to(values.dtype) @ values
    return course


def _powers(time: torch.Tensor, degree: int) -> torch.Tensor:
    return torch.stack([time**k for k in range(degree + 1)], dim=1)
