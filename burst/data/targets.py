"""Coded targets: patterns of black discs that measure how much detail an image resolves.

A square cell is divided into quadrants. The upper left one holds a disc (bit 1) or stays white (bit
0), the other three are cells again, as in the targets of the UG2+ challenge of 2023, track 2.2. On
a frame of 271 px the discs measure 100, 50, 25, 12.5, 6.2 and 3.1 px.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata

from burst.ops.vertex import vertex

PATTERN_SHARE = 222 / 271  # side of the pattern over the side of the frame
DISC_SHARE = 0.90  # diameter of a disc over the side of its quadrant
PAPER, INK = 0.90, 0.04  # reflectance of the print; below 1, so that the sensor does not clip it
OVERSAMPLING = 8  # per axis, so that an edge covers the right share of a pixel

LARGEST_SHIFT = 2  # px, within which a target is looked for
GUIDES = 4  # largest disc sizes, which determine the shift; small discs must not affect it
# The thresholds define the measure; chosen by hand.
BLACK_PERCENTILE, WHITE_PERCENTILE = 5.0, 90.0
SURROUNDINGS = 3.0  # side of the threshold's window over the side of the quadrant
LEAST_WINDOW = 9.0  # px
LEAST_CONTRAST = 0.25  # of the whole image's; below it the window is taken as plain white


@dataclass(frozen=True)
class TargetLayout:
    """Where discs may be.

    centres    [b, 2] (x, y) px
    diameters  [b] px
    levels     [b] size of the disc, 0 the largest; each has three times as many, half as large
    bits       [b] whether there is a disc
    """

    centres: np.ndarray
    diameters: np.ndarray
    levels: np.ndarray
    bits: np.ndarray


@dataclass(frozen=True)
class Target:
    """A coded target: image [h, w] linear, and its layout."""

    image: torch.Tensor
    layout: TargetLayout


@dataclass(frozen=True)
class DecodedTarget:
    """The bits of a target as read from an image.

    bits       [b]
    share      of the bits that are right
    diameters  px of each disc size, the largest first
    shares     of the bits of each size that are right
    auc        of each size: probability that a disc is darker than a gap; nan without both
    certainty  [b] distance from the threshold, in standard deviations; None where none are known
    flagged    probability that a wrong bit is less certain than a right one; nan without both
    """

    bits: np.ndarray
    share: float
    diameters: tuple[float, ...]
    shares: tuple[float, ...]
    auc: tuple[float, ...]
    certainty: np.ndarray | None = None
    flagged: float = math.nan


def draw_target(size: int, generator: torch.Generator, levels: int = 6) -> Target:
    """Draw a target with random bits on a frame [size, size]; ink and paper are linear."""
    side = PATTERN_SHARE * size
    corner = (size - 1 - side) / 2  # pixel centres lie at integers
    x, y, quadrant, level = np.array(_quadrants(corner, corner, side, levels)).T
    bits = torch.randint(0, 2, (len(x),), generator=generator, device=generator.device)
    layout = TargetLayout(
        np.stack([x + quadrant / 2, y + quadrant / 2], axis=1),
        DISC_SHARE * quadrant,
        level.astype(int),
        bits.cpu().numpy().astype(bool),
    )
    ink = _ink(layout, layout.bits, (size, size))
    return Target(torch.from_numpy(PAPER + (INK - PAPER) * ink).float(), layout)


def decode(
    image: torch.Tensor, layout: TargetLayout, deviation: torch.Tensor | None = None
) -> DecodedTarget:
    """Read the bits of a target from an image [h, w], linear, after a global shift of at most 2 px.

    A bit is 1 where the mean over the disc's area is below a threshold. The threshold is midway
    between local black and local white: the 5th and the 90th percentile of a square window around
    the disc, three quadrants and at least 9 px wide. Where these differ by less than a quarter of
    the contrast of the whole image, it lies an eighth of that contrast below local white, so that
    noise on paper is not read as a bit. With the image's standard deviation [h, w] each bit is
    as certain as its disc's mean is far from the threshold; errors of one disc count as alike.
    """
    pixels = image.detach().cpu().double().numpy()
    centres = layout.centres + find_shift(pixels, layout)
    means = _disc_means(pixels, centres, layout.diameters)
    thresholds = _thresholds(pixels, centres, layout.diameters)
    bits = means < thresholds
    right = bits == layout.bits
    certainty, flagged = None, math.nan
    if deviation is not None:
        spread = deviation.detach().cpu().double().numpy()
        certainty = np.abs(means - thresholds) / _disc_means(spread, centres, layout.diameters)
        flagged = area_under_curve(-certainty, ~right)
    sizes = [layout.levels == level for level in np.unique(layout.levels)]
    return DecodedTarget(
        bits,
        float(right.mean()),
        tuple(float(layout.diameters[size][0]) for size in sizes),
        tuple(float(right[size].mean()) for size in sizes),
        tuple(area_under_curve(-means[size], layout.bits[size]) for size in sizes),
        certainty,
        flagged,
    )


def find_shift(pixels: np.ndarray, layout: TargetLayout) -> np.ndarray:
    """Return the shift (dx, dy), in px, of the target in an image [h, w] against its layout. It is
    the subpixel peak of the correlation with the discs of the four largest sizes."""
    known = layout.bits & (layout.levels < GUIDES)
    guide = np.fft.rfft2(_ink(layout, known, pixels.shape))
    cross = np.fft.rfft2(pixels.mean() - pixels) * guide.conj()
    correlation = np.fft.irfft2(cross, s=pixels.shape)
    reach = np.arange(-LARGEST_SHIFT - 1, LARGEST_SHIFT + 2)
    near = correlation[np.ix_(reach, reach)]
    if np.ptp(near) <= 1e-9 * max(1.0, float(np.abs(pixels).max())) * pixels.size:
        return np.zeros(2)
    y, x = np.unravel_index(near[1:-1, 1:-1].argmax(), (len(reach) - 2,) * 2)
    rows = torch.from_numpy(near[y : y + 3, x : x + 3])
    dx, dy = float(vertex(*rows[1])), float(vertex(*rows[:, 1]))
    return np.array([x + dx, y + dy]) - LARGEST_SHIFT


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the probability that a positive's score [b] exceeds a negative's; ties count half."""
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return math.nan
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _quadrants(
    x: float, y: float, side: float, levels: int, level: int = 0
) -> list[tuple[float, float, float, int]]:
    """Return (x, y, side, level) of every quadrant that may hold a disc in a cell at (x, y)."""
    if level == levels:
        return []
    half = side / 2
    found = [(x, y, half, level)]
    for corner in ((x + half, y), (x, y + half), (x + half, y + half)):
        found += _quadrants(*corner, half, levels, level + 1)
    return found


def _ink(layout: TargetLayout, drawn: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the share of each pixel [h, w] under the discs chosen by drawn [b]."""
    ink = np.zeros(shape)
    for centre, diameter in zip(layout.centres[drawn], layout.diameters[drawn], strict=True):
        box, covered = _cover(centre, diameter, shape)
        ink[box] += covered
    return ink


def _disc_means(pixels: np.ndarray, centres: np.ndarray, diameters: np.ndarray) -> np.ndarray:
    """Return the mean [b] over the area of each disc."""
    covers = [_cover(c, d, pixels.shape) for c, d in zip(centres, diameters, strict=True)]
    return np.array([float(np.average(pixels[box], weights=covered)) for box, covered in covers])


def _thresholds(pixels: np.ndarray, centres: np.ndarray, diameters: np.ndarray) -> np.ndarray:
    """Return the threshold [b] of each disc, as `decode` describes."""
    least = LEAST_CONTRAST * float(np.subtract(*_white_and_black(pixels)))
    windows = np.maximum(SURROUNDINGS * diameters / DISC_SHARE, LEAST_WINDOW)
    levels = []
    for centre, window in zip(centres, windows, strict=True):
        white, black = _white_and_black(pixels[_box(centre, window, pixels.shape)])
        levels.append(white - max(white - black, least) / 2)
    return np.array(levels)


def _white_and_black(pixels: np.ndarray) -> tuple[float, float]:
    white, black = np.percentile(pixels, (WHITE_PERCENTILE, BLACK_PERCENTILE))
    return float(white), float(black)


def _cover(
    centre: np.ndarray, diameter: float, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return the box of pixels that a disc touches, and the covered share of each pixel."""
    box = _box(centre, diameter + 1, shape)
    offsets = (np.arange(OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    y, x = ((np.arange(s.start, s.stop)[:, None] + offsets).ravel() for s in box)
    inside = np.hypot(x - centre[0], y[:, None] - centre[1]) <= diameter / 2
    rows, columns = (s.stop - s.start for s in box)
    fine = inside.reshape(rows, OVERSAMPLING, columns, OVERSAMPLING)
    return box, fine.mean((1, 3))


def _box(centre: np.ndarray, width: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a square window, px, cut off at the borders."""
    x, y = centre
    rows, columns = (
        slice(max(0, math.floor(c - width / 2)), min(length, math.ceil(c + width / 2) + 1))
        for c, length in ((y, shape[0]), (x, shape[1]))
    )
    return rows, columns
