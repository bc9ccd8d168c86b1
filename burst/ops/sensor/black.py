"""Check the black and white level that a file states against its frames.

Photon transfer: the variance of shot noise is proportional to the light, so the line of variance
over level reaches black where only read noise is left. It is the only evidence of a stated black
that is too low: a scene in haze has no dark pixel, but its line leads to the true black.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from burst.ops.chunks import frames_at_once
from burst.ops.noise import (
    ROUNDING,
    fit_noise,
    good_windows,
    lowest_linear,
    noise_residual,
    one_dn,
    variance_by_level,
)
from burst.records import NoiseModel, Sensor

LINE_BINS = 32
FEWEST_BINS = 6
SCATTER = 0.12  # relative, of the variances about the line; more comes from detail of the scene
CALM, CALM_MEAN = 0.9, 0.5957  # share of squares that count; mean of chi-square below that quantile
# The thresholds below were chosen by hand.
SCATTER_OF_FRAMES = 0.25  # one pair of frames has more scatter than a bin of all
SURE = 4.5  # standard deviations of the line's value at the stated black
LEAST_SHIFT = 0.01  # of the range from black to white; smaller errors are not reported
DARKEST = 1e-3  # quantile of the pixels that counts as the darkest
CHANGE = 0.02  # relative change of the light from frame to frame that is enough for a line
ROOM = 3  # DN below saturation, which hold few values
PILED = 1e-3  # share of values at one DN that counts as saturation
ALL_BITS = 65535  # the white level of values that were scaled into 16 bits, and of others
MOST_RATIO = 2.0  # of stated and measured variance, above which a person is warned


def noise_warnings(
    curve: tuple[np.ndarray, np.ndarray], sensor: Sensor, source: str
) -> Iterator[str]:
    """Yield a sentence if the stated variance and that of a curve (levels, variances) differ by
    more than a factor of two; `source` is what decided."""
    stated = sensor.noise
    if stated is None:
        return
    alone = fit_noise(*curve, lowest_linear(sensor), one_dn(sensor))
    level = float(sorted(curve[0])[len(curve[0]) // 2])
    ratio = (stated.std(level) / max(alone.std(level), 1e-12)) ** 2
    if not 1 / MOST_RATIO < ratio < MOST_RATIO:
        yield (
            f"The variance of the noise is told as {ratio:.2g} times what the frames show at"
            f" level {level:.2g}; the {source} decided. Correct it in the sidecar, or pass"
            " --set noise.model=sensor if it is right."
        )


def level_warnings(
    linear: torch.Tensor,
    good: torch.Tensor | None,
    residual: tuple[np.ndarray, np.ndarray],
    noise: NoiseModel,
    sensor: Sensor,
) -> Iterator[str]:
    """Yield a warning for each level of the sensor that frames [n, h, w] contradict, with the value
    to pass; for `good` and `residual` see `lower_black`."""
    if sensor.transfer != "linear":
        return
    step, black = one_dn(sensor), sensor.black

    def passed(level: float) -> str:
        share = f", or {level / sensor.white_level:.3g} of white if the values were scaled"
        return f"{level:.0f}{share if sensor.white_level == ALL_BITS else ''}"

    if sensor.black_assumed and black > 0:
        yield (
            f"Nothing tells the black level; the noise of the frames leads to {black:.0f} DN, which"
            " is used. Pass --black-level if you know better."
        )
    raised = lower_black(linear, residual, step, good)
    if raised is not None:
        right = black + raised / step
        yield (
            f"Black is told as {black:.0f} DN, but the noise of the frames leads to {right:.0f} DN."
            f" Pass --black-level {passed(right)}."
        )
    lowered = higher_black(linear, good, noise)
    if lowered is not None:
        right = max(0.0, black + lowered / step)
        yield (
            f"Black is told as {black:.0f} DN, but places are as dark as {right:.0f} DN, and no"
            f" light is negative. Pass --black-level {passed(right)}, or less."
        )
    top = saturated_at(linear, good, noise, step)
    if top is not None:
        right = black + top / step
        yield (
            f"White is told as {sensor.white_level:.0f} DN, but values pile up at {right:.0f} DN."
            f" Pass --white-level {passed(right)}."
        )


def lower_black(
    linear: torch.Tensor,
    residual: tuple[np.ndarray, np.ndarray],
    step: float,
    good: torch.Tensor | None = None,
) -> float | None:
    """Return the linear level to which the noise requires black to be raised; None if it does not.

    The line of variance over level, over the pixels of frames [n, h, w] (`residual`, as
    `residuals_of_windows` gives it) or over frames between which the light changed, reaches the
    variance of rounding at or below the true black. Pixels that are not `good` [h, w] do not count.
    """
    darkest = float(np.quantile(residual[0], DARKEST))
    if darkest < LEAST_SHIFT:
        return None
    crossings = (
        _crossing(_line_of_levels(*residual, len(linear)), step, SCATTER),
        _crossing(_line_of_frames(linear, step, good), step, SCATTER_OF_FRAMES),
    )
    black = min(max(crossings), darkest)
    return black if black > LEAST_SHIFT else None


def _line_of_levels(
    level: np.ndarray, variance: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return levels and variances [k] in equal steps of brightness, below clipping; None if few."""
    usable = level < 0.9
    if np.count_nonzero(usable) < 2 * FEWEST_BINS:
        return None
    level, variance = level[usable], variance[usable]
    first, last = np.quantile(level, (DARKEST, 1 - DARKEST)).tolist()
    edges = np.linspace(first, last, LINE_BINS + 1)
    return variance_by_level(level, variance, edges, count)


def _line_of_frames(
    linear: torch.Tensor, step: float, good: torch.Tensor | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return level and variance [n - 1] of the darker half of each pair of successive frames, whose
    difference contains no static scene; None if their light hardly changes."""
    light = linear.mean((1, 2))
    if float(light.max() - light.min()) < max(step, CHANGE * float(light.mean())):
        return None
    mean = functional.avg_pool2d(linear.mean(0)[None], 3, 1)[0]
    dark = mean < mean.median()
    if good is not None:
        dark &= good_windows(good)
    if not dark.any():
        return None
    levels, variances = [], []
    for one, other in pairwise(linear):
        both = functional.avg_pool2d((one + other)[None] / 2, 3, 1)[0]
        residual = noise_residual((one - other)[None] / 2**0.5)[0].square()[dark]
        calm = residual[residual <= residual.kthvalue(max(1, int(CALM * len(residual)))).values]
        levels.append(float(both[dark].mean()))
        variances.append(float(calm.mean()) / CALM_MEAN)
    return np.array(levels), np.array(variances)


def _crossing(
    points: tuple[np.ndarray, np.ndarray] | None, step: float, most_scatter: float
) -> float:
    """Return the level at which the line through points (levels, variances) [k] reaches the
    variance of rounding; 0 if that is at black or below, or if the line is uncertain."""
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
    """Return the linear level, below 0, to which black has to be lowered, because the darkest
    places of frames [n, h, w] are below it and light is never negative; None if it is right. Only
    `good` [h, w] pixels count."""
    level = functional.avg_pool2d(linear.mean(0)[None], 3, 1)[0]
    level = level.flatten() if good is None else level[good_windows(good)]
    if not len(level):
        return None
    darkest = float(level.kthvalue(max(1, math.ceil(DARKEST * len(level)))).values)
    limit = max(SURE * noise.std(0) / (9 * len(linear)) ** 0.5, LEAST_SHIFT)
    return darkest if darkest < -limit else None


def saturated_at(
    linear: torch.Tensor, good: torch.Tensor | None, noise: NoiseModel, step: float
) -> float | None:
    """Return the linear level below white at which values of frames [n, h, w] saturate; None if
    they do not.

    Noise spreads the brightest light over several DN; only saturation gathers it at one.
    """
    highest = linear.amax(0)
    top = float((highest if good is None else highest[good]).max())
    if top >= 1 or noise.std(top) < step:
        return None

    def count_above(limit: float) -> int:
        pieces = linear.split(frames_at_once(linear))
        found = (piece > limit for piece in pieces)
        return sum(int((above if good is None else above & good).sum()) for above in found)

    at_top = count_above(top - step / 2)
    near = count_above(top - (ROOM + 0.5) * step) - at_top
    return top if at_top > max(PILED * linear.numel(), 3 * near) else None


def _line(levels: np.ndarray, variances: np.ndarray) -> tuple[float, float, float, float]:
    """Return slope, value at 0, its standard deviation and relative scatter of a robust line."""
    columns = np.stack([levels, np.ones_like(levels)], axis=1)
    weight = 1 / variances
    for _ in range(10):
        scaled = columns * weight[:, None]
        answer, *_ = np.linalg.lstsq(scaled, variances * weight, rcond=None)
        miss = (variances - columns @ answer) / variances
        typical = max(1.48 * float(np.median(np.abs(miss))), 0.01)
        # Huber weights beyond two deviations: a bin with detail of the scene must not bend the
        # line.
        weight = np.minimum(1, 2 * typical / np.maximum(np.abs(miss), 1e-12)) ** 0.5 / variances
    covariance = np.linalg.inv(scaled.T @ scaled) * typical**2
    return float(answer[0]), float(answer[1]), float(covariance[1, 1] ** 0.5), typical
