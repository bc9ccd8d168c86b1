"""Turbulent air as Zernike coefficients, correlated over the modes, over the field and in time.

Every point of the scene is seen through its own beam, whose wavefront is a Zernike series with
Noll's covariance. Neighbouring beams share air: each mode is correlated over the field as Takato
and Yamaguchi (1995) derive, averaged over a path of uniform strength. In time it is first-order
autoregressive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum, rearrange

from burst.ops.turbulence.zernike import TILT_X, angular_correlation, noll_covariance, noll_to_nm

PATH_LAYERS = 8  # of the integral over the path
TABLE_SEPARATIONS = (0.0, *np.geomspace(0.02, 60.0, 40).tolist())  # in diameters of the beam
# Higher modes live on smaller eddies, which the wind carries out of the beam sooner; by hand.
HIGHER_MODES_SPEED = 1.4


@dataclass(frozen=True)
class Air:
    """Turbulence along the line of sight of a camera.

    d_over_r0    aperture over Fried parameter: the strength
    sampling     pixel pitch in units of lambda / (2 D); 1 is Nyquist, less is finer
    aperture_px  diameter of the beam at the aperture, in pixels of the scene
    coherence    correlation time of the tilt in frame times
    modes        last Noll mode that is simulated
    """

    d_over_r0: float
    sampling: float = 1.0
    aperture_px: float = 32.0
    coherence: float = 1.0
    modes: int = 36


def tilt_to_pixels(sampling: float) -> float:
    """Return pixels of displacement per radian of a tilt coefficient: (2 lambda / pi D) / pitch."""
    return 4 / (math.pi * sampling)


def tilt_std(d_over_r0: float, sampling: float = 1.0) -> float:
    """Return the displacement rms per axis in pixels, 0.86 (D/r0)^(5/6) / sampling."""
    variance = noll_covariance(TILT_X, TILT_X)[0, 0]
    return float(tilt_to_pixels(sampling) * math.sqrt(variance) * d_over_r0 ** (5 / 6))


def mode_correlation(j: int, dx: np.ndarray, dy: np.ndarray, aperture_px: float) -> np.ndarray:
    """Return the correlation of mode j between scene points (dx, dy) pixels apart."""
    n, m = noll_to_nm(j)
    isotropic, directional = angular_correlation(n, m, TABLE_SEPARATIONS)
    distance, angle = np.hypot(dx, dy) / aperture_px, np.arctan2(dy, dx)
    correlation = np.zeros(distance.shape)
    for separation_per_distance, weight in _path_layers():
        s = separation_per_distance * distance
        radial = np.interp(s, TABLE_SEPARATIONS, isotropic)
        correlation += weight * (
            radial + np.interp(s, TABLE_SEPARATIONS, directional) * np.cos(2 * m * angle)
        )
    return correlation


def zernike_fields(
    air: Air, grid: tuple[int, int], spacing: float, times: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw coefficients [times, modes - 1, gy, gx] in rad of Noll's modes from 2 on, a frame time
    apart. Grid points are `spacing` pixels apart. Random numbers come from the generator's
    device."""
    modes = range(TILT_X, air.modes + 1)
    amplitude = torch.stack(
        [_spectral_amplitude(j, grid, spacing, air.aperture_px) for j in modes]
    ).to(generator.device)
    unit = _unit_fields(amplitude, grid, times, generator)
    _correlate_in_time(unit, air.coherence)
    mixing = np.linalg.cholesky(noll_covariance(TILT_X, air.modes)) * air.d_over_r0 ** (5 / 6)
    mixing = torch.from_numpy(mixing).float().to(generator.device)
    return einsum(mixing, unit, "mode unit, t unit gy gx -> t mode gy gx")


def at_times(fields: torch.Tensor, times: torch.Tensor, correlation: float) -> torch.Tensor:
    """Interpolate fields [t, c, gy, gx], one frame time apart, to times [n, gy] of n frames' rows.
    Two instants are blended and rescaled, so that the variance stays the same; `correlation` is
    that of neighbouring instants."""
    first = times.floor().long().clamp(0, fields.shape[0] - 2)
    late = (times - first).to(fields.dtype)
    early = 1 - late
    scale = (early**2 + late**2 + 2 * correlation * early * late).rsqrt()
    rows = torch.arange(fields.shape[2], device=fields.device)[None, :]
    by_row = rearrange(fields, "t c gy gx -> t gy c gx")
    blend = (early * scale)[..., None, None] * by_row[first, rows]
    blend += (late * scale)[..., None, None] * by_row[first + 1, rows]
    return rearrange(blend, "n gy c gx -> n c gy gx")


def frame_correlation(coherence: float) -> float:
    """Return the correlation of tilt between frames, for a correlation time in frame times."""
    return math.exp(-1 / coherence) if coherence > 0 else 0.0


def _path_layers() -> list[tuple[float, float]]:
    """Return (beam separation per distance, weight) of the layers of a uniform horizontal path. At
    fraction z of the path from the aperture two beams are z apart per unit of distance in the scene
    and 1 - z wide; a spherical wave weighs a layer by (1 - z)^(5/3)."""
    z = (np.arange(PATH_LAYERS) + 0.5) / PATH_LAYERS
    weight = (1 - z) ** (5 / 3)
    return list(zip(z / (1 - z), weight / weight.sum(), strict=True))


def _spectral_amplitude(
    j: int, grid: tuple[int, int], spacing: float, aperture_px: float
) -> torch.Tensor:
    """Return the square root of the power spectrum of mode j on a torus twice the grid's size."""
    y, x = (np.fft.fftfreq(2 * g, 1 / (2 * g)) * spacing for g in grid)
    dy, dx = np.meshgrid(y, x, indexing="ij")
    power = np.fft.fft2(mode_correlation(j, dx, dy, aperture_px)).real.clip(min=0)
    # Clipping what a torus cannot represent must not change the variance.
    return torch.from_numpy(np.sqrt(power / power.mean())).float()


def _unit_fields(
    amplitude: torch.Tensor, grid: tuple[int, int], times: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw fields [times, modes, gy, gx] of unit variance; each transform gives two of them."""
    pairs = (times + 1) // 2
    noise = torch.randn((2, pairs, *amplitude.shape), generator=generator, device=generator.device)
    torus = torch.fft.fft2(torch.complex(noise[0], noise[1]) * amplitude, norm="ortho")
    fields = rearrange(torch.view_as_real(torus), "pair mode y x part -> (pair part) mode y x")
    return fields[:times, :, : grid[0], : grid[1]].contiguous()


def _correlate_in_time(unit: torch.Tensor, coherence: float) -> None:
    tilt, higher = frame_correlation(coherence), frame_correlation(coherence / HIGHER_MODES_SPEED)
    rho = torch.full((unit.shape[1], 1, 1), higher, device=unit.device)
    rho[:2] = tilt
    fresh = (1 - rho**2).sqrt()
    for t in range(1, unit.shape[0]):
        unit[t] = rho * unit[t - 1] + fresh * unit[t]
