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
CELLS = 8  # of a band
ROUNDS = 10  # of reweighted least squares, towards the least sum of distances
CLOSE, FAR = 0.5, 3.0  # px, and medians; what is further from most of a frame moves by itself
RATIOS = np.arange(0.05, 1.0001, 0.025)
KNOTS = 1.0  # a frame time; pieces of the curve
DEGREE = 3
SURE = 0.5  # trust
ALIKE = 8.0  # bands that err alike at least, and count as one
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
    left, freedom = zip(*(_misfit(moved, ratio, height) for ratio in RATIOS), strict=True)
    squares = np.array([np.nansum(each**2) for each in left])
    misfits = np.sqrt(squares / np.array(freedom))
    best = int(np.argmin(misfits))
    ratio = _vertex(RATIOS, misfits**2, best)
    independent = freedom[best] / _alike(left[best])
    likely = (squares / max(squares[best], 1e-12) - 1) * independent < LIKELY
    return Readout(
        ratio=ratio,
        low=float(min(RATIOS[likely].min(), ratio)),
        high=float(max(RATIOS[likely].max(), ratio)),
        ratios=RATIOS.round(3).tolist(),
        misfits=misfits.tolist(),
    )


def _by_band(flow: torch.Tensor, trust: torch.Tensor) -> np.ndarray:
    """Return the flow [bands, 2] px of the camera in bands of rows; NaN where nothing is trusted.

    A band's cells have medians of their own. What most of the frame does is a parabola over the
    rows; cells far from it are objects that move by themselves, and are left out.
    """
    cells = np.stack(
        [
            [_median(*cell) for cell in zip(_across(f), _across(t), strict=True)]
            for f, t in zip(flow.tensor_split(BANDS, dim=1), trust.tensor_split(BANDS), strict=True)
        ]
    )
    row = np.repeat(np.linspace(-1, 1, BANDS), CELLS)
    known = np.isfinite(cells[..., 0]).ravel()
    if known.sum() < BANDS:
        return np.full((BANDS, 2), np.nan)
    line = np.vander(row[known], 3)
    moved = cells.reshape(-1, 2)[known]
    weight = np.ones(len(moved))
    for _ in range(ROUNDS):
        scaled = line * weight[:, None]
        answer = np.linalg.lstsq(scaled.T @ line, scaled.T @ moved, rcond=None)[0]
        miss = np.linalg.norm(moved - line @ answer, axis=1)
        weight = 1 / (miss + CLOSE)
    away = np.full(known.shape, np.inf)
    away[known] = miss
    of_camera = (away < max(CLOSE, FAR * np.median(miss))).reshape(BANDS, CELLS)
    return np.stack(
        [
            np.median(c[k], axis=0) if k.any() else np.full(2, np.nan)
            for c, k in zip(cells, of_camera, strict=True)
        ]
    )


def _across(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the cells of a band [..., y, w]."""
    return values.tensor_split(CELLS, dim=-1)


def _median(moved: torch.Tensor, sure: torch.Tensor) -> np.ndarray:
    """Return the median flow [2] px of a cell [2, y, x] where it is trusted; NaN if it is not."""
    points = moved[:, sure > SURE]
    enough = points.shape[1] > moved.shape[2]
    median = points.median(1).values if enough else torch.full((2,), torch.nan)
    return median.double().cpu().numpy()


def _misfit(moved: np.ndarray, ratio: float, height: int) -> tuple[np.ndarray, float]:
    """Return what a smooth velocity leaves [2, pairs, bands] of flows [pairs, bands, 2], NaN where
    nothing is known, and its degrees of freedom."""
    from scipy.interpolate import BSpline

    pairs = len(moved)
    row = (np.arange(BANDS) + 0.5) / BANDS
    time = np.arange(pairs)[:, None] + ratio * row
    left, freedom = np.full((2, pairs * BANDS), np.nan), 0.0
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
        left[axis, known] = design @ answer - velocity[known]
        freedom += max(float(known.sum() - rank), 1.0)
    return left.reshape(2, pairs, BANDS), freedom


def _alike(left: np.ndarray) -> float:
    """Return how many bands err alike, and count as one, by what a curve leaves [2, pairs, bands].

    A shake that is too quick for the curve errs alike over many rows; noise over few.
    """
    together = float(np.nansum(left[..., 1:] * left[..., :-1]))
    correlation = together / max(float(np.nansum(left**2)), 1e-12)
    return max(ALIKE, (1 + correlation) / max(1 - correlation, 1e-3))


def _vertex(x: np.ndarray, y: np.ndarray, best: int) -> float:
    """Return where the parabola through the lowest point and its neighbours is lowest."""
    if best in (0, len(x) - 1):
        return float(x[best])
    before, here, after = y[best - 1 : best + 2]
    bend = before - 2 * here + after
    return float(x[best] + (x[1] - x[0]) * (before - after) / (2 * bend)) if bend > 0 else x[best]
