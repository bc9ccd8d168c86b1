"""The modulation transfer function (MTF) of images of charts, after ISO 12233: e-SFR and s-SFR.

Frequencies are cycles per pixel. The truth itself, averaged over the area of its pixels, has an MTF
of sinc(f), which is half at 0.603.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from burst.data.charts import BRIGHT, CYCLES, DARK, STAR_RADIUS, Edge

MAX_FREQUENCY, COUNT = 1.0, 201  # the largest and their number; edges measure beyond Nyquist
REACH = 20  # px, width of the profile to both sides of an edge
BINS = 4  # a pixel, of the edge's profile
USED = 0.7  # of an edge's length; corners are excluded
CURVE_ORDER = 3  # order of the curve of an edge, which residual turbulence bends
PASSES = 3  # of fitting that curve, each around the last
SECTORS = 8  # of the star, with independent phases, since a smooth warp shifts them
RING, STEP = 0.75, 0.5  # px to both sides of a radius; from one radius to the next
RIM = 2.0  # px excluded at the rim of the star
HALF = 0.5


@dataclass(frozen=True)
class Mtf:
    """An MTF: the share [f] of the scene's modulation that remains at rising frequencies [f]."""

    frequencies: np.ndarray
    shares: np.ndarray

    @property
    def mtf50(self) -> float:
        """The lowest frequency at which it falls to half; the last one if it never does."""
        below = self.shares < HALF
        i = int(below.argmax())
        if not below.any() or i == 0:
            return float(self.frequencies[0 if below.any() else -1])
        around = slice(i - 1, i + 1)
        return float(np.interp(-HALF, -self.shares[around], self.frequencies[around]))

    @property
    def peak(self) -> float:
        """The largest share; above 1 for overshoot at edges."""
        return float(self.shares.max())


def edge_mtf(image: np.ndarray, edges: Sequence[Edge]) -> Mtf:
    """Return the MTF across the edges of an image [h, w], linear. It is that of the mean profile,
    since noise in the MTF of a single edge would count as sharpness."""
    profile = np.mean([edge_profile(image, edge) for edge in edges], axis=0)
    spread = np.diff(profile) * np.hamming(len(profile) - 1)
    frequencies, place = np.linspace(0, MAX_FREQUENCY, COUNT), np.arange(len(spread)) / BINS
    waves = np.exp(-2j * np.pi * np.outer(frequencies, place)) @ spread
    # Bins and differences are means over a quarter of a pixel each.
    shares = np.abs(waves) / np.sinc(frequencies / BINS) ** 2
    step = abs(spread.sum())
    # Without an edge the MTF is zero.
    return Mtf(frequencies, shares / step if step > 0 else np.zeros(COUNT))


def edge_profile(image: np.ndarray, edge: Edge) -> np.ndarray:
    """Return the profile of an image [h, w] across an edge, from dark to bright. The values are
    means over a quarter of a pixel, up to `REACH` px to both sides. The edge may be curved: the
    curve of its middle is fitted first, and pixels are sorted by their distance from it."""
    if not edge.upright:
        image, edge = image.T, edge.transposed()
    along = USED * edge.length / 2
    rows = _pixels_around(edge.y, along, image.shape[0])
    columns = _pixels_around(edge.x, REACH + abs(edge.lean) * along + 1, image.shape[1])
    patch = image[np.ix_(rows, columns)].astype(np.float64)
    curve = _curve(patch, rows, columns, edge)
    steepness = np.hypot(1, curve.deriv()(rows))
    distance = (columns - curve(rows)[:, None]) / steepness[:, None]
    half = patch.shape[1] // 2
    brightens = patch[:, half:].mean() > patch[:, :half].mean()
    return _profile(patch, distance if brightens else -distance)


def star_mtf(image: np.ndarray) -> Mtf:
    """Return the MTF of a Siemens star in an image [h, w], linear, up to the Nyquist frequency."""
    outermost, innermost = STAR_RADIUS * min(image.shape) - RIM, CYCLES / np.pi
    radii = np.arange(outermost, innermost, -STEP)
    y, x = (np.arange(n) - (n - 1) / 2 for n in image.shape)
    radius, angle = np.hypot(x, y[:, None]), np.arctan2(y[:, None], x)
    shares = [_modulation(image, angle, np.abs(radius - r) < RING) for r in radii]
    return Mtf(CYCLES / (2 * np.pi * radii), np.array(shares))


def _pixels_around(middle: float, reach: float, count: int) -> np.ndarray:
    return np.arange(max(0, round(middle - reach)), min(count, round(middle + reach) + 1))


def _curve(patch: np.ndarray, rows: np.ndarray, columns: np.ndarray, edge: Edge) -> Polynomial:
    """Return the column of the edge as a function of the row, from the centroids of the slopes."""
    slopes = np.diff(patch, axis=1)
    slopes = slopes * np.sign(slopes.sum())
    between = (columns[1:] + columns[:-1]) / 2
    curve = Polynomial([edge.x - edge.lean * edge.y, edge.lean])
    for _ in range(PASSES):
        away = (between - curve(rows)[:, None]) / REACH
        weights = slopes.clip(min=0) * np.cos(away.clip(-1, 1) * np.pi / 2) ** 2
        total = weights.sum(1)
        seen = total > 0
        if seen.sum() <= CURVE_ORDER:
            break
        centroids = weights[seen] @ between / total[seen]
        curve = Polynomial.fit(rows[seen], centroids, CURVE_ORDER, w=np.sqrt(total[seen]))
    return curve


def _profile(patch: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return the mean of the pixels in each quarter of a pixel of distance from the edge."""
    index = np.floor((distance + REACH) * BINS).astype(int)
    inside = (index >= 0) & (index < 2 * REACH * BINS)
    count, total = (
        np.bincount(index[inside], weights, 2 * REACH * BINS) for weights in (None, patch[inside])
    )
    filled = np.flatnonzero(count)
    return np.interp(np.arange(len(count)), filled, total[filled] / count[filled])


def _modulation(image: np.ndarray, angle: np.ndarray, ring: np.ndarray) -> float:
    """Return the amplitude of the star's wave on a ring, over that of the scene."""
    sector = np.floor(angle[ring] / (2 * np.pi) * SECTORS) % SECTORS
    amplitudes = []
    for i in range(SECTORS):
        turned, seen = CYCLES * angle[ring][sector == i], image[ring][sector == i]
        waves = np.stack([np.ones_like(turned), np.cos(turned), np.sin(turned)], axis=1)
        weights = np.linalg.lstsq(waves, seen, rcond=None)[0]
        amplitudes.append(np.hypot(weights[1], weights[2]))
    return float(np.mean(amplitudes)) / ((BRIGHT - DARK) / 2)
