"""Mean and variance over time of each pixel of a stack, and the variance that noise explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.chunks import frames_at_once
from burst.ops.noise import BINS, CURVE_POINTS, clipped_moments, lowest_linear, one_dn
from burst.ops.sensor.spots import SIGNIFICANT
from burst.records import NoiseModel, Sensor

LEAST_MOTION = 0.3  # px rms; spreads a line of one pixel by more than LEAK (see `spots`)
LEAST_VARIANCE = 1e-4  # DN^2; one step of one DN in 10^4 frames; less is rounding of means


@dataclass(frozen=True)
class PixelMaps:
    """Statistics of each pixel [h, w] over `count` frames; `step` is one DN in linear units.

    mean, variance  over time
    expected        the variance that noise explains
    unclipped       whether the noise reaches neither end of the range
    """

    mean: torch.Tensor
    variance: torch.Tensor
    expected: torch.Tensor
    unclipped: torch.Tensor
    count: int
    step: float

    @property
    def sigma(self) -> torch.Tensor:
        """The standard deviation of the mean [h, w]."""
        return (self.expected / self.count).sqrt()

    def transposed(self) -> PixelMaps:
        """Return the maps with rows and columns exchanged."""
        maps = (self.mean.T, self.variance.T, self.expected.T, self.unclipped.T)
        return PixelMaps(*maps, self.count, self.step)


def measure_pixels(linear: torch.Tensor, noise: NoiseModel, sensor: Sensor) -> PixelMaps:
    """Measure every pixel of frames [n, h, w]."""
    lowest, step = lowest_linear(sensor), one_dn(sensor)
    mean = linear.mean(0)
    total = torch.zeros_like(mean)
    for chunk in linear.split(frames_at_once(linear)):
        total += (chunk - mean).square().sum(0)
    found = total / max(len(linear) - 1, 1)
    # Light is never below 0: lower values are expected to vary as black does.
    curve = clipped_moments(np.linspace(0, 1.2, CURVE_POINTS), noise, lowest)
    expected = _interpolated(mean, *curve)
    return PixelMaps(
        mean=mean,
        variance=found,
        expected=_lowered_to_measured(expected, found, mean, step),
        unclipped=_unclipped(mean, noise, lowest),
        count=len(linear),
        step=step,
    )


def _interpolated(x: torch.Tensor, at: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """Interpolate `values` [k], known at ascending places `at` [k], linearly at x [h, w]."""
    places = torch.from_numpy(at).to(x)
    known = torch.from_numpy(values).to(x)
    right = torch.searchsorted(places, x.contiguous()).clamp(1, len(at) - 1)
    gap = (places[right] - places[right - 1]).clamp(min=1e-12)
    share = ((x - places[right - 1]) / gap).clamp(0, 1)
    return torch.lerp(known[right - 1], known[right], share)


def _lowered_to_measured(
    expected: torch.Tensor, found: torch.Tensor, mean: torch.Tensor, step: float
) -> torch.Tensor:
    """Lower the expected variance [h, w] to the measured one, where all pixels of one brightness
    have less.

    The fit may have taken fine detail for noise; in a scene at rest the variance over time is that
    of the noise alone.
    """
    order = mean.flatten().argsort()
    lowered = expected.flatten()[order]
    varied = found.flatten()[order]
    bins = max(1, min(BINS, mean.numel() // 200))
    for few, many in zip(varied.tensor_split(bins), lowered.tensor_split(bins), strict=True):
        alive = few > LEAST_VARIANCE * step**2
        if alive.any():
            many *= (few[alive].median() / many[alive].median().clamp(min=1e-16)).clamp(max=1)
    return torch.empty_like(lowered).scatter_(0, order, lowered).reshape(mean.shape)


def _unclipped(mean: torch.Tensor, noise: NoiseModel, lowest: float) -> torch.Tensor:
    """Return where [h, w] noise is not clipped: not near white, nor near DN 0 if that is black."""
    bright = mean + 4 * noise.variance(mean).sqrt() < 1
    dark = noise.std(0)
    return bright if lowest < -dark / 2 else bright & (mean > lowest + 4 * dark)


def scene_moves(maps: PixelMaps) -> bool:
    """Return whether the scene moves by LEAST_MOTION or more, measured at its steepest places."""
    down, across = torch.gradient(maps.mean)
    steep = (down.square() + across.square() - maps.sigma.square()).flatten()
    most = steep >= steep.kthvalue(max(1, int(0.95 * steep.numel()))).values
    # A pixel of slope g that moves by j along each axis varies by (g j)^2 beyond its noise.
    expected = maps.expected.flatten()[most]
    excess = maps.variance.flatten()[most] - expected
    doubt = float(expected.median()) * (2 / (maps.count * len(expected))) ** 0.5
    needed = LEAST_MOTION**2 * steep[most].clamp(min=0)
    return bool((excess - needed).median() > 0 and excess.median() > SIGNIFICANT * doubt)
