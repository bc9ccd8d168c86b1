"""The blurs that an aligned mean may have: a grid of air, sampling and a static blur, and none.

Short exposures freed of tilt have a mean transfer function and a variance about it that follow from
D/r0 (see `psf.mean_otf`) and scale with the optics' cut-off, which `sampling` puts on the pixels.
What is the same in every frame, as defocus, is a Gaussian on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from burst.ops.blur.psf import mean_otf
from burst.ops.blur.strength import PLAUSIBLE_STRENGTHS

BANDS = 33
FREQUENCY = np.arange(BANDS) / (2 * (BANDS - 1))  # cycles per pixel, up to Nyquist's
STRENGTHS = (0.0, *PLAUSIBLE_STRENGTHS)
SAMPLINGS = (0.4, 0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0, 2.8, 4.0)  # times the one that is told
STATIC = (0.0, 0.5, 0.75, 1.0, 1.3, 1.7, 2.2, 3.0)  # px, sigma of a Gaussian
DRAWS = 100  # as many as `strength` draws, which keeps them
STEADY = 0.9  # of the cut-off; beyond it drawn variances are ratios of nearly nothing
FINEST = 0.9  # cycles per pixel: the half height of a blur that is none, or finer than pixels show


@dataclass(frozen=True)
class Candidates:
    """Blurs [c]: D/r0, sampling, sigma (px) of the static part, which is none; their transfer
    function [c, BANDS], its relative variance [c, BANDS], and where it falls to half [c]."""

    d_over_r0: np.ndarray
    sampling: np.ndarray
    static: np.ndarray
    none: np.ndarray
    transfer: np.ndarray
    variation: np.ndarray
    half: np.ndarray


@lru_cache(maxsize=4)
def candidates(sampling: float) -> Candidates:
    """Return all blurs around the sampling that is told; the last is none."""
    grid = [(a, sampling * s, g) for a in STRENGTHS for s in SAMPLINGS for g in STATIC]
    transfer = [transfer_of(*parts, FREQUENCY) for parts in grid]
    variation = [variation_of(a, s, FREQUENCY) for a, s, _ in grid]
    columns = np.array([*grid, (0.0, math.inf, 0.0)])
    none = np.arange(len(columns)) == len(grid)
    curves = np.array([*transfer, np.ones(BANDS)])
    return Candidates(
        d_over_r0=columns[:, 0],
        sampling=columns[:, 1],
        static=columns[:, 2],
        none=none,
        transfer=curves,
        variation=np.array([*variation, np.zeros(BANDS)]),
        half=np.array([half_height(curve) for curve in curves]),
    )


def transfer_of(
    d_over_r0: float, sampling: float, static: float, frequency: np.ndarray
) -> np.ndarray:
    """Return the mean transfer function at frequencies [m] in cycles per pixel."""
    nu, curve, _ = _table(d_over_r0)
    air = np.interp(2 * frequency / sampling, nu, curve)
    return np.asarray(air * np.exp(-2 * (math.pi * frequency * static) ** 2))


def variation_of(d_over_r0: float, sampling: float, frequency: np.ndarray) -> np.ndarray:
    """Return E|H|^2 / |E H|^2 - 1 at frequencies [m] in cycles per pixel."""
    nu, curve, power = _table(d_over_r0)
    inside = nu <= STEADY
    ratio = power[inside] / curve[inside] ** 2 - 1
    return np.asarray(np.interp(2 * frequency / sampling, nu[inside], ratio.clip(0)))


def half_height(transfer: np.ndarray) -> float:
    """Return the frequency at which a transfer function [BANDS] falls to half of 1; `FINEST` where
    it does not."""
    below = np.flatnonzero(transfer < 0.5)
    if not len(below):
        return FINEST
    i = int(below[0])
    fall = float(transfer[i - 1] - transfer[i])
    return float((i - 1 + (transfer[i - 1] - 0.5) / max(fall, 1e-12)) * FREQUENCY[1])


@lru_cache(maxsize=32)
def _table(d_over_r0: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shares of the cut-off, the mean transfer function there and its mean square."""
    if d_over_r0 == 0:
        nu = np.linspace(0, 1, BANDS)
        curve = 2 / math.pi * (np.arccos(nu) - nu * np.sqrt(1 - nu**2))
        return nu, curve, curve**2
    mean, power = (part.double().numpy() for part in mean_otf(d_over_r0, 1.0, draws=DRAWS))
    nu = np.append(np.arange(len(mean)) / len(mean), 1.0)
    return nu, np.append(mean / mean[0], 0.0), np.append(power / power[0], 0.0)
