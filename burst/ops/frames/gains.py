"""The gain of each frame, which is its brightness against the others, and its effect on noise."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from burst.ops.blocks import mapped
from burst.ops.frames.agreement import DEVIATION_OF_MAD, Pairs, shifted
from burst.ops.noise import noise_residual
from burst.records import NoiseModel

TILE = 8  # px of a view; brightness is compared tile by tile
ROUNDS = 4  # of reweighted least squares
# Gains are divided out where one or all differ significantly, and by more than does harm: 2 % of
# brightness lies below the noise of a frame. Clean stacks of all levels stay below both.
ONE_DIFFERS, ALL_DIFFER = (10.0, 0.05), (5.0, 0.02)  # (standard errors, of brightness)
ALIKE = 1.5  # times the median: gains further off do not count for the mean; by hand
STEP = 0.35  # natural logarithm, half an EV: exposures of a bracket lie further apart
FEWEST_OF_A_STEP = 0.15  # of the frames
WIDE = 1.6  # EV between the 10th and the 90th percentile: exposures that somebody chose
# Times the shortest exposure, a third of an EV; saturated values of longer ones are invalid. Below
# that noise saturates as many as light does, and to leave those out costs .7 dB (6 % of flicker).
LONGER = 1.26
GRAIN, CALM, LEAST_SHOWN = 5, 0.25, 0.1  # px; quantile; share of the frame
PAIRS_AT_ONCE = 512
CLIPPED = 0.001  # of the values; with more the exposure was too long


def brightness_ratios(
    views: torch.Tensor, others: torch.Tensor, pairs: Pairs
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log ratio of brightness of the views of each pair, and its standard error [p].

    Views [n, y, x] and `others` [m, y, x] are linear, NaN where saturated. Both must be so: a view
    whose saturated values alone are left out is darker than the other by what noise added to them.
    The ratio is the median over tiles, weighted by their light: half a frame may differ.
    """
    few = torch.arange(len(pairs.first), device=pairs.first.device).split(PAIRS_AT_ONCE)
    parts = [_ratios_of_few(views, others, pairs.of(numbers)) for numbers in few]
    ratio, error = (torch.cat(values) for values in zip(*parts, strict=True))
    return ratio, error


def _ratios_of_few(
    views: torch.Tensor, others: torch.Tensor, pairs: Pairs
) -> tuple[torch.Tensor, torch.Tensor]:
    a = shifted(views[pairs.first], pairs.shift)
    b = others[pairs.second]
    seen = ~(a.isnan() | b.isnan())
    light = [_tiles(torch.where(seen, view, 0.0)).clamp(min=1e-6) for view in (a, b)]
    ratio = (light[0] / light[1]).log()
    weight = (light[0] * light[1]).sqrt()
    middle = _weighted_median(ratio, weight)
    spread = DEVIATION_OF_MAD * _weighted_median((ratio - middle[:, None]).abs(), weight)
    count = weight.sum(1).square() / weight.square().sum(1)
    return middle, spread / count.sqrt()


def solve_gains(
    ratio: torch.Tensor, error: torch.Tensor, pairs: Pairs, count: int
) -> tuple[torch.Tensor, float]:
    """Return the log gain [n] of each frame and its typical error, from pairs, by robust least
    squares. Frames without a pair get 0."""
    gain = torch.zeros(count, dtype=torch.float64)
    a, b, r = (x.cpu() for x in (pairs.first, pairs.second, ratio))
    if not len(r):
        return gain, 0.0
    r = r.double()
    deviation = error.cpu().double() + 1e-3
    weight = deviation**-2
    for _ in range(ROUNDS):
        normal = 1e-6 * torch.eye(count, dtype=torch.float64)
        right = torch.zeros(count, dtype=torch.float64)
        for i, j, sign in ((a, b, 1), (b, a, -1)):
            normal.index_put_((i, i), weight, accumulate=True)
            normal.index_put_((i, j), -weight, accumulate=True)
            right.index_put_((i,), sign * weight * r, accumulate=True)
        gain = torch.linalg.solve(normal, right)
        excess = (r - gain[a] + gain[b]) / deviation
        weight = deviation**-2 / (1 + (excess / 3) ** 2)
    return gain, float(deviation.median())


def gains_are_significant(gain: torch.Tensor, error: float) -> bool:
    """Return whether log gains [n] with this error differ significantly, and enough to do harm."""
    if len(gain) < 2:
        return False
    off = gain - gain.median()
    one = float(off.abs().max()) > max(ONE_DIFFERS[0] * error, ONE_DIFFERS[1])
    rms = float(off.square().mean().sqrt())
    return one or rms > max(ALL_DIFFER[0] * error, ALL_DIFFER[1])


def reference_gain(gain: torch.Tensor, clipped: torch.Tensor) -> float:
    """Return the log gain [n] that counts as 1: the mean of the usual ones. For a bracket it is the
    gain of the longest exposure that is nowhere saturated, so that the whole image stays below
    white; `clipped` [n] is the share of saturated values."""
    steps = _steps(gain)
    if not steps:
        near = gain[(gain - gain.median()).abs() <= math.log(ALIKE)]
        return math.log(float(near.exp().mean()))
    for step in steps:
        if float(clipped[step].median()) <= CLIPPED:
            break
    return float(gain[step].median())


def differ(gain: torch.Tensor | None) -> bool:
    """Return whether frames were recorded with different gains [n]."""
    return gain is not None and bool((gain != 1).any())


def divide_by_gain(
    linear: torch.Tensor, valid: torch.Tensor | None, gain: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return frames [n, h, w] divided by their gain [n], and which of their values are valid.
    Saturated values of longer exposures become invalid, since shorter ones measure them better."""
    gain = gain.to(linear)
    saturated = (linear >= 1) & (gain > LONGER * gain.min())[:, None, None]
    if bool(saturated.any()):
        # Noise saturates some of the values beside a saturated one.
        near = mapped(lambda some: functional.max_pool2d(some.float(), 3, 1, 1) > 0, saturated)
        valid = ~near if valid is None else valid & ~near
    return linear / gain[:, None, None], valid


def frame_variances(linear: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """Return the noise variance [n] of each frame [n, h, w], measured in its calm parts. A camera
    that changes the exposure and a program that changes the brightness alter the noise by different
    laws; a measurement is right for both."""
    everywhere = None
    if valid is not None:
        shown = functional.avg_pool2d(valid.all(0)[None].to(linear), GRAIN + 2, GRAIN)[0] == 1
        everywhere = shown if float(shown.float().mean()) > LEAST_SHOWN else None
    found = []
    for frame in linear:
        grain = functional.avg_pool2d(noise_residual(frame[None]).square(), GRAIN)[0]
        if everywhere is not None:
            grain = grain[everywhere[: grain.shape[0], : grain.shape[1]]]
        found.append(grain.flatten().quantile(CALM))
    return torch.stack(found).clamp(min=1e-12)


def merged_noise(noise: NoiseModel, variances: torch.Tensor) -> NoiseModel:
    """Return the noise model of a frame that represents all of them. Frames with these `variances`
    [n], weighted by the inverse, have together its variance divided by the effective number of
    frames. `noise` is the mean over the frames."""
    share = variances**-2 / (variances**-2).sum()
    factor = float((share * variances).sum() / variances.mean())
    return NoiseModel(noise.shot * factor, noise.read * factor)


def noise_ratios(variances: torch.Tensor) -> torch.Tensor:
    """Return the noise variance of each frame [n], relative to that of `merged_noise`."""
    share = variances**-2 / (variances**-2).sum()
    return variances / (share * variances).sum()


def _steps(gain: torch.Tensor) -> list[torch.Tensor]:
    """Return the frames of each exposure of a bracket, the longest first; none without
    a bracket."""
    order = gain.argsort(descending=True, stable=True)
    ordered = gain[order]
    steps = list(order.tensor_split((ordered[:-1] - ordered[1:] > STEP).nonzero()[:, 0] + 1))
    fewest = max(2, FEWEST_OF_A_STEP * len(gain))
    if len(steps) > 1 and all(len(step) >= fewest for step in steps):
        return steps
    low, high = gain.quantile(0.1), gain.quantile(0.9)
    if len(gain) >= 5 and float(high - low) > WIDE * math.log(2):
        return [order[gain[order] >= high], order[gain[order] <= gain.median()]]
    return []


def _tiles(views: torch.Tensor) -> torch.Tensor:
    """Return the mean light [n, t] of all tiles of views [n, y, x]."""
    return functional.avg_pool2d(views[:, None], TILE, ceil_mode=True).flatten(1)


def _weighted_median(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the median [p] of values [p, t] with weights [p, t]."""
    order = values.argsort(1)
    total = weights.gather(1, order).cumsum(1)
    middle = (total < total[:, -1:] / 2).sum(1, keepdim=True).clamp(max=values.shape[1] - 1)
    return values.gather(1, order).gather(1, middle)[:, 0]
