"""Estimate how long a sensor takes to read its rows, from the camera's motion in a burst.

The camera's velocity is a smooth curve over time. Each row of each pair of frames samples it: row y
of pair i near the time i + ratio * y / h + 1/2. With the right ratio the end of one frame joins the
beginning of the next; with a wrong one the samples scatter about any smooth curve. Depth that
varies over the rows adds the same to all pairs, and is fitted as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from burst.lazy import scipy
from burst.ops.flow import Match
from burst.ops.rolling.bands import BANDS, camera_motion
from burst.ops.vertex import vertex
from burst.records import Stack, StackError

# Range of ratios that fit equally well, above which the motion does not decide; chosen by hand.
WIDEST_RANGE = 0.2
MIN_PAIRS = 5  # a curve through fewer fits any ratio
ROUNDS = 8  # of reweighted least squares
RATIOS = np.arange(0.05, 1.0001, 0.025)
KNOT_SPACING = 1.0  # frame times, of the spline
DEGREE = 3  # of the spline
# Scale and smoothing were chosen on 39 simulated recordings; see "Readout ratio" in methods.md.
MIN_SCALE = 0.05  # px; no motion is measured better
CAUCHY_DEVIANCE = 3.0  # -2 log density of a 2D Cauchy distribution is 3 log(1 + (r / scale)^2)
MIN_CORRELATED_BANDS = 8.0  # neighbouring bands whose errors count as one, at least
DEVIANCE_95 = 3.84  # 95 % quantile of chi-squared with one degree of freedom


@dataclass(frozen=True)
class Readout:
    """The readout ratio that fits best and the interval (low, high) that fits nearly as well.
    `misfits` [px] belong to the `ratios` tried: the distance from the curve whose cost is the mean
    cost of all bands."""

    ratio: float
    low: float
    high: float
    ratios: list[float]
    misfits: list[float]


def readout_from_frames(
    grey: np.ndarray,
    matches: Mapping[tuple[int, int], Match],
    upwards: bool,
    start: np.ndarray | None = None,
) -> Readout:
    """Estimate the readout ratio of frames [n, h, w] (0..255) from their matches with the next.
    Rows are read `upwards` or downwards. `start` [n] is when frames began, in frame times; None is
    evenly."""
    moved = [
        camera_motion(grey[first], grey[second], found.forth, found.forth_trust)
        for (first, second), found in matches.items()
    ]
    if upwards:
        # Mirrored top to bottom, the scene is read downwards.
        moved = [bands[::-1] * np.array([1.0, -1.0]) for bands in moved]
    return readout_from_motion(moved, grey.shape[1], start)


def measure_readout(
    stack: Stack, grey: np.ndarray, matches: Mapping[tuple[int, int], Match]
) -> Readout:
    """Estimate the readout ratio of a stack from frames [n, h, w] uint8 and the motion between
    them; StackError where there are too few, or where the motion does not determine it."""
    where = stack.source or stack.name
    remedy = " Say row_time and frame_time in a sidecar, or pass --set unroll.readout_ratio=0.8."
    if len(matches) < MIN_PAIRS:
        raise StackError(
            f"{where}: expected to be told how long the readout takes, or at least"
            f" {MIN_PAIRS + 1} frames to estimate it from, found {len(matches) + 1}.{remedy}"
        )
    times = stack.sensor.frame_times
    start = None if times is None else np.array(times) / stack.sensor.frame_time
    found = readout_from_frames(grey, matches, stack.scan[0] < 0, start)
    if found.high - found.low > WIDEST_RANGE:
        raise StackError(
            f"{where}: expected motion that tells the readout ratio, found that"
            f" {found.low:.2f} to {found.high:.2f} fit alike.{remedy}"
        )
    return found


def readout_from_motion(
    moved: Sequence[np.ndarray], height: int, start: np.ndarray | None = None
) -> Readout:
    """Estimate the readout ratio from the camera's motion from each frame to the next.

    The motion [bands, 2] px is that of `camera_motion`, NaN where unknown. Frames have `height`
    rows and began at `start`, in frame times, or evenly. Bands on moving objects make heavy tails,
    so errors follow a Cauchy distribution, whose scale is the median error at the ratio where that
    is smallest.
    """
    pairs = np.stack(moved)
    begun = np.arange(len(pairs) + 1.0) if start is None else start - start[0]
    left = [_residuals(pairs, begun, ratio, height, MIN_SCALE) for ratio in RATIOS]
    # Where no motion is known, all ratios fit equally well.
    known = np.isfinite(pairs[..., 0])
    scale = min(
        (float(np.median(_length(each)[known])) for each in left if known.any()), default=0.0
    )
    if scale > MIN_SCALE:
        left = [_residuals(pairs, begun, ratio, height, scale) for ratio in RATIOS]
    scale = max(scale, MIN_SCALE)
    costs = np.array([np.nansum(np.log1p((_length(each) / scale) ** 2)) for each in left])
    best = int(np.argmin(costs))
    ratio = _lowest(RATIOS, costs, best)
    doubt = np.sqrt(CAUCHY_DEVIANCE * (costs - costs[best]) / _correlated_bands(left[best], scale))
    low, high = _likely_interval(ratio, RATIOS, doubt)
    typical = costs / max(known.sum(), 1)
    return Readout(
        ratio=ratio,
        low=low,
        high=high,
        ratios=RATIOS.round(3).tolist(),
        misfits=(scale * np.sqrt(np.expm1(typical))).tolist(),
    )


def _residuals(
    moved: np.ndarray, begun: np.ndarray, ratio: float, height: int, scale: float
) -> np.ndarray:
    """Return the residuals [pairs, bands, 2] px of motion of that shape about a smooth velocity.
    NaN where the motion is. `begun` [pairs + 1] is in frame times; errors above `scale` px get a
    small weight."""
    pairs, gap = len(moved), np.diff(begun)
    row = (np.arange(BANDS) + 0.5) / BANDS
    # Half a frame time before the middle of a pair.
    first = begun[:-1] + (gap - 1) / 2
    time = first[:, None] + ratio * row
    inner = np.arange(min(0.0, first[0]), first[-1] + ratio + KNOT_SPACING, KNOT_SPACING)
    knots = np.concatenate([[inner[0]] * DEGREE, inner, [inner[-1]] * DEGREE])
    curve = scipy.interpolate.BSpline.design_matrix(time.ravel(), knots, DEGREE).toarray()
    depth = np.tile(np.eye(BANDS), (pairs, 1))[:, 1:]
    # A point that moves down is read later, by the readout time of those rows.
    velocity = (moved / (gap[:, None, None] + ratio * moved[..., 1:] / height)).reshape(-1, 2)
    known = np.isfinite(velocity[:, 0])
    design, wanted = np.hstack([curve, depth])[known], velocity[known]
    error = np.zeros_like(wanted)
    for _ in range(ROUNDS):
        weighted = design / (1 + (_length(error) / scale) ** 2)[:, None]
        answer = np.linalg.lstsq(weighted.T @ design, weighted.T @ wanted, rcond=1e-10)[0]
        error = design @ answer - wanted
    left = np.full_like(velocity, np.nan)
    left[known] = error
    return left.reshape(moved.shape)


def _length(error: np.ndarray) -> np.ndarray:
    """Return the length of errors [..., 2]."""
    return np.asarray(np.linalg.norm(error, axis=-1))


def _correlated_bands(left: np.ndarray, scale: float) -> float:
    """Return over how many bands residuals [pairs, bands, 2] px are correlated. A shake that is too
    quick for the curve is correlated over many bands; noise over few."""
    calm = left / np.sqrt(1 + (_length(left) / scale) ** 2)[..., None]
    together = float(np.nansum(calm[:, 1:] * calm[:, :-1]))
    correlation = together / max(float(np.nansum(calm**2)), 1e-12)
    return max(MIN_CORRELATED_BANDS, (1 + correlation) / max(1 - correlation, 1e-3))


def _likely_interval(best: float, x: np.ndarray, deviation: np.ndarray) -> tuple[float, float]:
    """Return the interval (low, high) of ratios x [m] that fit nearly as well as `best`.
    `deviation` [m] is the root of each ratio's deviance against the best."""
    ends = []
    for side in (-1, 1):
        beyond = (x - best) * side > 0
        # From the best outwards; near it the deviation is proportional to the distance.
        away = np.concatenate([[0.0], np.abs(x - best)[beyond][::side]])
        grown = np.concatenate([[0.0], deviation[beyond][::side]]) / DEVIANCE_95**0.5
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
