"""Readout and its direction from the camera's motion in a clip, by the likelihood of its path.

The camera's path is a Gaussian process: a sum of tones, none faster than two cycles in a frame
time. The motion of row y between two frames is the difference of the path at the two times at which
that row is read. With the right readout these differences fit one path; with a wrong one they do
not (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 2.30).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

RATIOS = np.arange(0.1, 1.0001, 0.05)
FINE = 0.0125
SLOWEST, FASTEST, TONES = 0.03, 2.0, 64  # cycles in a frame time
LONGEST = 24  # pairs; tones as far apart as these follow no longer path
STRENGTHS = (0.1, 0.5, 2.5, 12.5)  # px rms of the path
FALLS = (2.0, 3.0)  # powers with which the power of tones falls with frequency
ERRORS = (0.02, 0.06, 0.2, 0.8)  # px, of the motion of a band
SHARED = 0.75  # bands, over which half of the error's variance is shared
STEADY, DEPTH = 100.0, 1.0  # px a frame time, rms: of a steady motion, and of it by depth in a band
LIKELY = 8.0  # by which -2 log likelihood may exceed the least: 2 bands tell about as much as one
LEAST_LEAD = 20.0  # of -2 log likelihood, by which one direction has to fit better than the other
CLEARLY_MORE = 1.3  # times that rows have to bend more than columns, or the reverse


@dataclass(frozen=True)
class PathReadout:
    """The readout ratio that fits best, the interval that fits nearly as well, and the least -2 log
    likelihood."""

    ratio: float
    low: float
    high: float
    cost: float


@dataclass(frozen=True)
class BandMotion:
    """The motion [pairs, bands, 2] px from frames to the next, NaN where unknown, of frames with
    `height` rows that began at `begun` [pairs + 1], in frame times."""

    moved: np.ndarray
    begun: np.ndarray
    height: int

    def halved(self) -> BandMotion:
        """Return the motion of neighbouring bands together, which is faster to fit."""
        pairs, bands, _ = self.moved.shape
        return replace(self, moved=self.moved.reshape(pairs, bands // 2, 2, 2).mean(2))

    def parts(self) -> list[BandMotion]:
        """Return the motion in parts so short that the tones of a path can follow it."""
        count = -(-len(self.moved) // LONGEST)
        edges = np.linspace(0, len(self.moved), count + 1).round().astype(int)
        return [
            replace(self, moved=self.moved[a:b], begun=self.begun[a : b + 1])
            for a, b in itertools.pairwise(edges)
        ]

    def mirrored(self) -> BandMotion:
        """Return the motion as if the rows were read the other way."""
        return BandMotion(self.moved[:, ::-1] * np.array([1.0, -1.0]), self.begun, self.height)


def bending(motions: Sequence[BandMotion]) -> float:
    """Return by how much (px rms) bands move otherwise than their frame, other than always."""
    with np.errstate(invalid="ignore"):
        each = np.concatenate([one.moved for one in motions])
        each = each - np.nanmean(each, 1, keepdims=True)
        return float(np.sqrt(np.nanmean((each - np.nanmean(each, 0, keepdims=True)) ** 2)))


def readout_from_path(motions: Sequence[BandMotion]) -> PathReadout:
    """Return the readout ratio at which the motion fits a camera's path best. Each stretch of
    frames has a path of its own."""
    motions = [part for one in motions for part in one.halved().parts()]
    best, coarse = _best_of(motions, itertools.product(FALLS, ERRORS[1:2], STRENGTHS))
    best, coarse = _best_of(motions, itertools.product(best[:1], ERRORS, best[2:]))
    middle = RATIOS[int(np.argmin(coarse))]
    ratios = middle + FINE * np.arange(-5, 6)
    ratios = ratios[(ratios > 0) & (ratios <= 1 + 1e-9)]
    fine = np.array([_cost(motions, ratio, *best) for ratio in ratios])
    all_ratios = np.concatenate([RATIOS, ratios])
    all_costs = np.concatenate([coarse, fine])
    near = all_ratios[all_costs < all_costs.min() + LIKELY]
    bend, slope, _ = np.polyfit(ratios - middle, fine, 2)
    at = middle - slope / (2 * bend) if bend > 0 else float(ratios[fine.argmin()])
    return PathReadout(
        float(np.clip(at, ratios[0], ratios[-1])),
        float(max(near.min() - FINE, 0.0)),
        float(min(near.max() + FINE, 1.0)),
        float(fine.min()),
    )


def _best_of(
    motions: Sequence[BandMotion], settings: Iterable[tuple[float, float, float]]
) -> tuple[tuple[float, float, float], list[float]]:
    """Return the settings with which some readout fits best, and what each of `RATIOS` costs."""
    costs = {s: [_cost(motions, ratio, *s) for ratio in RATIOS] for s in settings}
    best = min(costs, key=lambda s: min(costs[s]))
    return best, costs[best]


def _cost(
    motions: Sequence[BandMotion], ratio: float, fall: float, error: float, strength: float
) -> float:
    """Return -2 log likelihood of motion, but for a constant."""
    return sum(_cost_of(one, ratio, fall, error, strength) for one in motions)


def _cost_of(motion: BandMotion, ratio: float, fall: float, error: float, strength: float) -> float:
    pairs, bands, _ = motion.moved.shape
    known = np.isfinite(motion.moved[..., 0]).ravel()
    row = (np.arange(bands) + 0.5) / bands
    first = (motion.begun[:-1, None] + ratio * row).ravel()[known]
    # A point that moves down is read later.
    later = motion.begun[1:, None] + ratio * (row + motion.moved[..., 1] / motion.height)
    second = later.ravel()[known]
    band, pair = np.tile(np.arange(bands), pairs)[known], np.repeat(np.arange(pairs), bands)[known]
    covariance = strength**2 * _path_covariance(first, second, fall)
    gap = np.multiply.outer(second - first, second - first)
    apart = np.subtract.outer(band, band)
    covariance += gap * (STEADY**2 + DEPTH**2 * (apart == 0))
    same = np.equal.outer(pair, pair) * np.exp(-0.5 * (apart / SHARED) ** 2)
    covariance += error**2 * (0.5 * same + (0.5 + 1e-6) * np.eye(len(first)))
    triangle = np.linalg.cholesky(covariance)
    left = np.linalg.solve(triangle, motion.moved.reshape(-1, 2)[known])
    return float((left**2).sum() + 4 * np.log(np.diag(triangle)).sum())


def _path_covariance(first: np.ndarray, second: np.ndarray, fall: float) -> np.ndarray:
    """Return the covariance [m, m] of the differences of a path of strength 1 between times [m], in
    frame times."""
    tones = np.geomspace(SLOWEST, FASTEST, TONES)
    power = tones**-fall / (tones**-fall).sum()
    before, after = (2 * np.pi * np.multiply.outer(time, tones) for time in (first, second))
    waves = np.hstack([np.cos(after) - np.cos(before), np.sin(after) - np.sin(before)])
    return np.asarray((waves * np.tile(power, 2)) @ waves.T)
