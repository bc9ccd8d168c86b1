"""What is known of each pixel of a stack over time, and what noise lets one expect of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.chunks import frames_at_once
from burst.ops.noise import BINS, CURVE_POINTS, clipped_moments, lowest_linear, one_dn
from burst.ops.sensor.spots import SIGNIFICANT
from burst.records import NoiseModel, Sensor

LEAST_MOTION = 0.3  # px rms
NEVER = 1e-4  # DN^2; one step of one DN in 10^4 frames: less is the rounding of means


@dataclass(frozen=True)
class PixelMaps:
    """What is known of each pixel [h, w]: mean and variance over time, the variance that noise
    explains, and whether clipping takes nothing of the noise there; of `count` frames, whose DN is
    `step`."""

    mean: torch.Tensor
    variance: torch.Tensor
    expected: torch.Tensor
    free: torch.Tensor
    count: int
    step: float

    @property
    def sigma(self) -> torch.Tensor:
        """The standard deviation of the mean [h, w]."""
        return (self.expected / self.count).sqrt()

    def turned(self) -> PixelMaps:
        """Return the maps with rows for columns."""
        maps = (self.mean.T, self.variance.T, self.expected.T, self.free.T)
        return PixelMaps(*maps, self.count, self.step)


def measure_pixels(linear: torch.Tensor, noise: NoiseModel, sensor: Sensor) -> PixelMaps:
    """Measure every pixel of frames [n, h, w]."""
    lowest, step = lowest_linear(sensor), one_dn(sensor)
    mean = linear.mean(0)
    total = torch.zeros_like(mean)
    for chunk in linear.split(frames_at_once(linear)):
        total += (chunk - mean).square().sum(0)
    found = total / max(len(linear) - 1, 1)
    # No light is below 0: what lies lower is expected to vary as darkness does.
    curve = clipped_moments(np.linspace(0, 1.2, CURVE_POINTS), noise, lowest)
    expected = _interpolated(mean, *curve)
    return PixelMaps(
        mean=mean,
        variance=found,
        expected=_no_more(expected, found, mean, step),
        free=_unclipped(mean, noise, lowest),
        count=len(linear),
        step=step,
    )


def _interpolated(x: torch.Tensor, at: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """Return values [k] known at ascending places [k], in between at x [h, w]."""
    places = torch.from_numpy(at).to(x)
    known = torch.from_numpy(values).to(x)
    right = torch.searchsorted(places, x.contiguous()).clamp(1, len(at) - 1)
    gap = (places[right] - places[right - 1]).clamp(min=1e-12)
    share = ((x - places[right - 1]) / gap).clamp(0, 1)
    return torch.lerp(known[right - 1], known[right], share)


def _no_more(
    expected: torch.Tensor, found: torch.Tensor, mean: torch.Tensor, step: float
) -> torch.Tensor:
    """Lower the expected variance [h, w] to what was found, where all of one brightness has less.

    Light that stands still varies by its noise alone, while the fit took fine detail for noise.
    """
    order = mean.flatten().argsort()
    lowered = expected.flatten()[order]
    varied = found.flatten()[order]
    bins = max(1, min(BINS, mean.numel() // 200))
    for few, many in zip(varied.tensor_split(bins), lowered.tensor_split(bins), strict=True):
        alive = few > NEVER * step**2
        if alive.any():
            many *= (few[alive].median() / many[alive].median().clamp(min=1e-16)).clamp(max=1)
    return torch.empty_like(lowered).scatter_(0, order, lowered).reshape(mean.shape)


def _unclipped(mean: torch.Tensor, noise: NoiseModel, lowest: float) -> torch.Tensor:
    """Tell where [h, w] noise would show: not near white, nor near DN 0 if that is black."""
    bright = mean + 4 * noise.variance(mean).sqrt() < 1
    dark = noise.std(0)
    return bright if lowest < -dark / 2 else bright & (mean > lowest + 4 * dark)


def scene_moves(maps: PixelMaps) -> bool:
    """Tell whether the scene moves by LEAST_MOTION or more, as its steepest places show."""
    down, across = torch.gradient(maps.mean)
    steep = (down.square() + across.square() - maps.sigma.square()).flatten()
    most = steep >= steep.kthvalue(max(1, int(0.95 * steep.numel()))).values
    # A pixel of slope g that moves by j along each axis varies by (g j)^2 beyond its noise.
    expected = maps.expected.flatten()[most]
    excess = maps.variance.flatten()[most] - expected
    doubt = float(expected.median()) * (2 / (maps.count * len(expected))) ** 0.5
    needed = LEAST_MOTION**2 * steep[most].clamp(min=0)
    return bool((excess - needed).median() > 0 and excess.median() > SIGNIFICANT * doubt)
