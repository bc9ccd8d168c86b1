"""Whether the black and the white level that a file tells are those that its frames show.

Photon transfer: the variance of light's noise grows in proportion to the light, so that the line of
variance over level leads to black, where read noise alone is left. It is the only evidence of a
black that is too low: a scene in haze has no dark pixel, and its line leads to the true black.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from burst.ops.noise import ROUNDING, binned
from burst.records import NoiseModel

LINE_BINS = 32
FEWEST_BINS = 6
SCATTER = 0.12  # of the variances about the line; with more, detail of the scene is in them
SURE = 5.0  # deviations of the line's value at the told black
LEAST_SHIFT = 0.01  # of the range from black to white; less is worth no word
DARKEST = 1e-3  # share of pixels that may be darker than what counts as the darkest
PILED = 1e-3  # share of values at one DN that are saturated
ROOM = 8  # DN below that one, which have to hold fewer values all together


def lower_black(
    level: np.ndarray, variance: np.ndarray, count: int, step: float
) -> float | None:
    """Return the linear level to which noise says that black has to be raised; None if nothing.

    `level` and `variance` [k] are those of windows of pixels over `count` frames. The line reaches
    the variance of rounding, less than any read noise, at or below the true black.
    """
    usable = level < 0.9
    if np.count_nonzero(usable) < 2 * FEWEST_BINS:
        return None
    level, variance = level[usable], variance[usable]
    edges = np.linspace(*np.quantile(level, (DARKEST, 1 - DARKEST)), LINE_BINS + 1)
    levels, variances = binned(level, variance, edges, count)
    if len(levels) < FEWEST_BINS or (variances <= 0).any():
        return None
    slope, start, doubt, scatter = _line(levels, variances)
    rest = start - step**2 / ROUNDING
    if slope <= 0 or scatter > SCATTER or rest > -SURE * doubt:
        return None
    black = min(-rest / slope, float(np.quantile(level, DARKEST)))
    return black if black > LEAST_SHIFT else None


def higher_black(mean: torch.Tensor, noise: NoiseModel, count: int) -> float | None:
    """Return the linear level, below 0, to which the darkest of a mean of frames [h, w] says that
    black has to be lowered; None if nothing: there is no negative light."""
    smooth = torch.nn.functional.avg_pool2d(mean[None], 3, 1)[0].flatten()
    darkest = float(smooth.kthvalue(max(1, math.ceil(DARKEST * smooth.numel()))).values)
    limit = max(SURE * noise.std(0) / (9 * count) ** 0.5, LEAST_SHIFT)
    return darkest if darkest < -limit else None


def saturated_at(linear: torch.Tensor) -> float | None:
    """Return the linear level at which values of frames [n, h, w] pile up below white, if any."""
    top = float(linear.max())
    at_top = int((linear >= top).sum())
    return top if top < 1 and at_top > PILED * linear.numel() else None


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
