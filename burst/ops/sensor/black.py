"""Whether the black and the white level that a file tells are those that its frames show.

Photon transfer: the variance of light's noise grows in proportion to the light, so that the line of
variance over level leads to black, where read noise alone is left. It is the only evidence of a
black that is too low: a scene in haze has no dark pixel, and its line leads to the true black.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from burst.ops.chunks import frames_at_once
from burst.ops.noise import ROUNDING, binned, fine_grain
from burst.records import NoiseModel

LINE_BINS = 32
FEWEST_BINS = 6
SCATTER = 0.12  # of the variances about the line; with more, detail of the scene is in them
CALM, CALM_MEAN = 0.9, 0.5957  # share of squares that count; mean of chi-square below that quantile
SCATTER_OF_FRAMES = 0.25  # one pair of frames tells less than a bin of all
SURE = 4.5  # deviations of the line's value at the told black
LEAST_SHIFT = 0.01  # of the range from black to white; less is worth no word
DARKEST = 1e-3  # share of pixels that may be darker than what counts as the darkest
CHANGE = 0.02  # of the light, from frame to frame, that makes a line
ROOM = 3  # DN below an end of the range, which hold few values
PILED = 1e-3  # share of values at one DN that are saturated


def lower_black(
    linear: torch.Tensor,
    grain: tuple[np.ndarray, np.ndarray],
    step: float,
    good: torch.Tensor | None = None,
) -> float | None:
    """Return the linear level to which noise says that black has to be raised; None if nothing.

    The line of the pixels of frames [n, h, w], whose `grain` is that of `grain_of_pixels`, or that
    of frames between which the light changed, reaches the variance of rounding at or below the true
    black. Pixels that are not `good` [h, w] do not count.
    """
    darkest = float(np.quantile(grain[0], DARKEST))
    if darkest < LEAST_SHIFT:
        return None
    crossings = (
        _crossing(_line_of_levels(*grain, len(linear)), step, SCATTER),
        _crossing(_line_of_frames(linear, step, good), step, SCATTER_OF_FRAMES),
    )
    black = min(max(crossings), darkest)
    return black if black > LEAST_SHIFT else None


def _line_of_levels(
    level: np.ndarray, variance: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return levels and variances of even steps of brightness, as far as noise is not clipped."""
    usable = level < 0.9
    if np.count_nonzero(usable) < 2 * FEWEST_BINS:
        return None
    level, variance = level[usable], variance[usable]
    first, last = np.quantile(level, (DARKEST, 1 - DARKEST)).tolist()
    edges = np.linspace(first, last, LINE_BINS + 1)
    return binned(level, variance, edges, count)


def _line_of_frames(
    linear: torch.Tensor, step: float, good: torch.Tensor | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return level and variance of the darker half of each pair of successive frames, in whose
    difference what stands still is gone; None if their light hardly changes."""
    light = linear.mean((1, 2))
    if float(light.max() - light.min()) < max(step, CHANGE * float(light.mean())):
        return None
    mean = functional.avg_pool2d(linear.mean(0)[None], 3, 1)[0]
    dark = mean < mean.median()
    if good is not None:
        dark &= functional.avg_pool2d((~good).float()[None], 3, 1)[0] == 0
    if not dark.any():
        return None
    levels, variances = [], []
    for one, other in pairwise(linear):
        both = functional.avg_pool2d((one + other)[None] / 2, 3, 1)[0]
        grain = fine_grain((one - other)[None] / 2**0.5)[0].square()[dark]
        calm = grain[grain <= grain.kthvalue(max(1, int(CALM * len(grain)))).values]
        levels.append(float(both[dark].mean()))
        variances.append(float(calm.mean()) / CALM_MEAN)
    return np.array(levels), np.array(variances)


def _crossing(
    points: tuple[np.ndarray, np.ndarray] | None, step: float, most_scatter: float
) -> float:
    """Return where the line through points (levels, variances) [k] reaches the variance of
    rounding; 0 where it does so at black or below, or where there is no sure line."""
    if points is None:
        return 0.0
    levels, variances = points
    if len(levels) < FEWEST_BINS or (variances <= 0).any():
        return 0.0
    slope, start, doubt, scatter = _line(levels, variances)
    rest = start - step**2 / ROUNDING
    return -rest / slope if slope > 0 and scatter < most_scatter and rest < -SURE * doubt else 0.0


def higher_black(
    linear: torch.Tensor, good: torch.Tensor | None, noise: NoiseModel
) -> float | None:
    """Return the linear level, below 0, to which the darkest of frames [n, h, w] says that black
    has to be lowered; None if nothing: there is no negative light. `good` [h, w] pixels count."""
    level = _levels(linear, good)
    if not len(level):
        return None
    darkest = float(level.kthvalue(max(1, math.ceil(DARKEST * len(level)))).values)
    limit = max(SURE * noise.std(0) / (9 * len(linear)) ** 0.5, LEAST_SHIFT)
    return darkest if darkest < -limit else None


def saturated_at(
    linear: torch.Tensor, good: torch.Tensor | None, noise: NoiseModel, step: float
) -> float | None:
    """Return the level at which values of frames [n, h, w] pile up below white; None if nowhere.

    Noise spreads the brightest light over several DN, and only an end of the range gathers it.
    """
    highest = linear.amax(0)
    top = float((highest if good is None else highest[good]).max())
    if top >= 1 or noise.std(top) < step:
        return None

    def above(limit: float) -> int:
        found = [(chunk > limit).sum(0) for chunk in linear.split(frames_at_once(linear))]
        counts = torch.stack(found).sum(0)
        return int((counts if good is None else counts[good]).sum())

    at_top = above(top - step / 2)
    near = above(top - (ROOM + 0.5) * step) - at_top
    return top if at_top > max(PILED * linear.numel(), 3 * near) else None


def _levels(linear: torch.Tensor, good: torch.Tensor | None) -> torch.Tensor:
    """Return the mean level [k] of windows of 3 x 3 pixels that are all good."""
    level = functional.avg_pool2d(linear.mean(0)[None], 3, 1)[0]
    if good is None:
        return level.flatten()
    return level[functional.avg_pool2d((~good).float()[None], 3, 1)[0] == 0]


def _line(levels: np.ndarray, variances: np.ndarray) -> tuple[float, float, float, float]:
    """Return slope, value at 0, its standard deviation and relative scatter of a robust line."""
    columns = np.stack([levels, np.ones_like(levels)], axis=1)
    weight = 1 / variances
    for _ in range(10):
        scaled = columns * weight[:, None]
        answer, *_ = np.linalg.lstsq(scaled, variances * weight, rcond=None)
        miss = (variances - columns @ answer) / variances
        typical = max(1.48 * float(np.median(np.abs(miss))), 0.01)
        # Half the pull beyond two deviations (Huber): a bin with detail must not lead the line.
        weight = np.minimum(1, 2 * typical / np.maximum(np.abs(miss), 1e-12)) ** 0.5 / variances
    covariance = np.linalg.inv(scaled.T @ scaled) * typical**2
    return float(answer[0]), float(answer[1]), float(covariance[1, 1] ** 0.5), typical
