"""How long a sensor takes to read its rows, told from the motion in a burst.

The camera's velocity is one smooth curve over time. Each row of each pair of frames samples it: row
y of pair i around the time i + ratio * y / h + 1/2. With the right ratio the end of one frame joins
the beginning of the next; with a wrong one the samples scatter about any smooth curve. What scenes
add to rows, because what is lower is nearer, is the same in all pairs and is fitted as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

FEWEST_PAIRS = 5  # a curve through fewer bends to any ratio
BANDS = 16  # of rows
RATIOS = np.arange(0.05, 1.0001, 0.025)
KNOTS = 1.0  # a frame time; pieces of the curve
DEGREE = 3
SURE = 0.5  # trust
ALIKE = 8  # bands that err alike, and count as one
LIKELY = 3.84  # twice the log likelihood ratio that 19 of 20 stay below


@dataclass(frozen=True)
class Readout:
    """The ratio that fits best, the range that fits nearly as well, and the rms misfit (px) of
    each ratio tried."""

    ratio: float
    low: float
    high: float
    ratios: list[float]
    misfits: list[float]


def measure_readout(flows: Sequence[torch.Tensor], trusts: Sequence[torch.Tensor]) -> Readout:
    """Return the readout ratio that flows [2, h, w] from each frame to the next tell, where their
    trusts [h, w] allow."""
    moved = np.stack([_by_band(f, t) for f, t in zip(flows, trusts, strict=True)])
    height = flows[0].shape[1]
    squares, freedom = zip(*(_misfit(moved, ratio, height) for ratio in RATIOS), strict=True)
    misfits = np.sqrt(np.array(squares) / np.array(freedom))
    best = int(np.argmin(misfits))
    ratio = _vertex(RATIOS, misfits**2, best)
    likely = (np.array(squares) / squares[best] - 1) * freedom[best] / ALIKE < LIKELY
    return Readout(
        ratio=ratio,
        low=float(min(RATIOS[likely].min(), ratio)),
        high=float(max(RATIOS[likely].max(), ratio)),
        ratios=RATIOS.round(3).tolist(),
        misfits=misfits.tolist(),
    )


def _by_band(flow: torch.Tensor, trust: torch.Tensor) -> np.ndarray:
    """Return the median flow [bands, 2] px of bands of rows; NaN where nothing is trusted."""
    medians = []
    for moved, sure in zip(
        flow.tensor_split(BANDS, dim=1), trust.tensor_split(BANDS, dim=0), strict=True
    ):
        points = moved[:, sure > SURE]
        enough = points.shape[1] > moved.shape[2]
        medians.append(points.median(1).values if enough else torch.full((2,), torch.nan))
    return torch.stack(medians).double().cpu().numpy()


def _misfit(moved: np.ndarray, ratio: float, height: int) -> tuple[float, float]:
    """Return the sum of squares that a smooth velocity leaves of flows [pairs, bands, 2], and its
    degrees of freedom."""
    from scipy.interpolate import BSpline

    pairs = len(moved)
    row = (np.arange(BANDS) + 0.5) / BANDS
    time = np.arange(pairs)[:, None] + ratio * row
    left, freedom = 0.0, 0.0
    # A way of some rows down takes that much longer.
    lasted = 1 + ratio * moved[..., 1] / height
    inner = np.arange(0, pairs - 1 + ratio + KNOTS, KNOTS)
    knots = np.concatenate([[inner[0]] * DEGREE, inner, [inner[-1]] * DEGREE])
    band = np.tile(np.eye(BANDS), (pairs, 1))[:, 1:]
    curve = BSpline.design_matrix(time.ravel(), knots, DEGREE).toarray()
    for axis in (0, 1):
        velocity = (moved[..., axis] / lasted).ravel()
        known = np.isfinite(velocity)
        design = np.hstack([curve, band])[known]
        answer, _, rank, _ = np.linalg.lstsq(design, velocity[known], rcond=1e-8)
        left += float(((design @ answer - velocity[known]) ** 2).sum())
        freedom += max(float(known.sum() - rank), 1.0)
    return left, freedom


def _vertex(x: np.ndarray, y: np.ndarray, best: int) -> float:
    """Return where the parabola through the lowest point and its neighbours is lowest."""
    if best in (0, len(x) - 1):
        return float(x[best])
    before, here, after = y[best - 1 : best + 2]
    bend = before - 2 * here + after
    return float(x[best] + (x[1] - x[0]) * (before - after) / (2 * bend)) if bend > 0 else x[best]
