"""How long a sensor takes to read its rows, told from the motion in a burst.

The camera's velocity is one smooth curve over time. Each row of each pair of frames samples it: row
y of pair i around the time i + ratio * y / h + 1/2. With the right ratio the end of one frame joins
the beginning of the next; with a wrong one the samples scatter about any smooth curve. What scenes
add to rows, because what is lower is nearer, is the same in all pairs and is fitted as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.flow import Match
from burst.ops.rolling.bands import BANDS, camera_motion
from burst.ops.vertex import vertex

FEWEST_PAIRS = 5  # a curve through fewer bends to any ratio
ROUNDS = 8  # of reweighted least squares
RATIOS = np.arange(0.05, 1.0001, 0.025)
KNOTS = 1.0  # a frame time; pieces of the curve
DEGREE = 3
FINEST = 0.05  # px; no motion is known better
HEAVY = 3.0  # twice the power of the tails of a Cauchy distribution in two dimensions
ALIKE = 8.0  # bands that err alike at least, and count as one
LIKELY = 3.84  # twice the log likelihood ratio that 19 of 20 stay below


@dataclass(frozen=True)
class Readout:
    """The ratio that fits best, the range that fits nearly as well, and the misfit (px) of each
    ratio tried: a distance that costs as much as those of all bands do on average."""

    ratio: float
    low: float
    high: float
    ratios: list[float]
    misfits: list[float]


def readout_of(
    grey: np.ndarray,
    matches: Mapping[tuple[int, int], Match],
    upwards: bool,
    start: np.ndarray | None = None,
) -> Readout:
    """Return the readout ratio that frames [n, h, w] (0..255), read `upwards` or down, and the
    matches of each with the next tell. They began at `start` [n], in frame times, or evenly."""
    moved = [
        camera_motion(grey[first], grey[second], found.forth, found.forth_trust)
        for (first, second), found in matches.items()
    ]
    if upwards:
        # It is the mirrored scene that is read downwards.
        moved = [bands[::-1] * np.array([1.0, -1.0]) for bands in moved]
    return measure_readout(moved, grey.shape[1], start)


def measure_readout(
    moved: Sequence[np.ndarray], height: int, start: np.ndarray | None = None
) -> Readout:
    """Return the readout ratio that the camera's motion from each frame to the next tells: [bands,
    2] px as of `camera_motion`, NaN where it is not known, in frames of `height` rows that began at
    `start`, in frame times, or evenly.

    Some bands are of something that moves by itself, so that errors have heavy tails: those of a
    Cauchy distribution, as wide as half of the bands err at least.
    """
    pairs = np.stack(moved)
    begun = np.arange(len(pairs) + 1.0) if start is None else start - start[0]
    left = [_left(pairs, begun, ratio, height, FINEST) for ratio in RATIOS]
    # Where nothing is known, all ratios fit alike.
    known = np.isfinite(pairs[..., 0])
    scale = min((float(np.median(_far(each)[known])) for each in left if known.any()), default=0.0)
    if scale > FINEST:
        left = [_left(pairs, begun, ratio, height, scale) for ratio in RATIOS]
    scale = max(scale, FINEST)
    costs = np.array([np.nansum(np.log1p((_far(each) / scale) ** 2)) for each in left])
    best = int(np.argmin(costs))
    ratio = _lowest(RATIOS, costs, best)
    doubt = np.sqrt(HEAVY * (costs - costs[best]) / _alike(left[best], scale))
    low, high = _range(ratio, RATIOS, doubt)
    typical = costs / max(known.sum(), 1)
    return Readout(
        ratio=ratio,
        low=low,
        high=high,
        ratios=RATIOS.round(3).tolist(),
        misfits=(scale * np.sqrt(np.expm1(typical))).tolist(),
    )


def _left(
    moved: np.ndarray, begun: np.ndarray, ratio: float, height: int, scale: float
) -> np.ndarray:
    """Return what a smooth velocity leaves [pairs, bands, 2] px of motion of the same shape, NaN
    where nothing is known; errors above `scale` count little."""
    from scipy.interpolate import BSpline

    pairs, gap = len(moved), np.diff(begun)
    row = (np.arange(BANDS) + 0.5) / BANDS
    # Half a frame time before the middle of a pair.
    first = begun[:-1] + (gap - 1) / 2
    time = first[:, None] + ratio * row
    inner = np.arange(min(0.0, first[0]), first[-1] + ratio + KNOTS, KNOTS)
    knots = np.concatenate([[inner[0]] * DEGREE, inner, [inner[-1]] * DEGREE])
    curve = BSpline.design_matrix(time.ravel(), knots, DEGREE).toarray()
    depth = np.tile(np.eye(BANDS), (pairs, 1))[:, 1:]
    # A way of some rows down takes that much longer.
    velocity = (moved / (gap[:, None, None] + ratio * moved[..., 1:] / height)).reshape(-1, 2)
    known = np.isfinite(velocity[:, 0])
    design, wanted = np.hstack([curve, depth])[known], velocity[known]
    error = np.zeros_like(wanted)
    for _ in range(ROUNDS):
        weighted = design / (1 + (_far(error) / scale) ** 2)[:, None]
        answer = np.linalg.lstsq(weighted.T @ design, weighted.T @ wanted, rcond=1e-10)[0]
        error = design @ answer - wanted
    left = np.full_like(velocity, np.nan)
    left[known] = error
    return left.reshape(moved.shape)


def _far(error: np.ndarray) -> np.ndarray:
    """Return the length of errors [..., 2]."""
    return np.asarray(np.linalg.norm(error, axis=-1))


def _alike(left: np.ndarray, scale: float) -> float:
    """Return how many bands err alike, and count as one, by what a curve leaves [pairs, bands, 2].

    A shake that is too quick for the curve errs alike over many rows; noise over few.
    """
    calm = left / np.sqrt(1 + (_far(left) / scale) ** 2)[..., None]
    together = float(np.nansum(calm[:, 1:] * calm[:, :-1]))
    correlation = together / max(float(np.nansum(calm**2)), 1e-12)
    return max(ALIKE, (1 + correlation) / max(1 - correlation, 1e-3))


def _range(best: float, x: np.ndarray, doubt: np.ndarray) -> tuple[float, float]:
    """Return the ends of the range outside of which all x are doubted, of which `best` is not."""
    ends = []
    for side in (-1, 1):
        beyond = (x - best) * side > 0
        # From the best outwards; about it doubt grows in proportion to the distance.
        away = np.concatenate([[0.0], np.abs(x - best)[beyond][::side]])
        grown = np.concatenate([[0.0], doubt[beyond][::side]]) / LIKELY**0.5
        last = int(np.flatnonzero(grown < 1).max())
        far = away[last]
        if last + 1 < len(away):
            share = (1 - grown[last]) / (grown[last + 1] - grown[last])
            far += share * (away[last + 1] - away[last])
        ends.append(best + side * far)
    return ends[0], ends[1]


def _lowest(x: np.ndarray, y: np.ndarray, best: int) -> float:
    """Return where a curve y over even steps of x is lowest, about its lowest sample."""
    if best in (0, len(x) - 1):
        return float(x[best])
    return float(x[best] + (x[1] - x[0]) * float(vertex(*torch.from_numpy(y[best - 1 : best + 2]))))
