"""Turbulent layers along a path: wavefronts from waves of phase that the wind carries.

A beam from a point of the scene crosses every layer as a disc, and its wavefront is the sum of what
the layers add. Each layer is a sum of random plane waves with von Karman's spectrum. What one wave
adds to a Zernike mode is known in closed form, so tilt, blur, and how both change over the field
and in time follow from the layers alone, at any instant.

Sources: R. J. Noll, J. Opt. Soc. Am. 66, 207 (1976), eq. 8, for the transform of a mode; M.
Charnotskii, J. Opt. Soc. Am. A 30, 479 (2013), for waves of random frequency. There is no
scintillation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import einsum, rearrange

from burst.ops.turbulence.path import Path, beam_width, r0_of, strength_along
from burst.ops.turbulence.zernike import bessel, noll_to_nm, structure_constant

LAYERS = 8  # of equal strength; as many as the path has that `air` averages over
WIND_SPREAD = (0.5, 1.5)  # of a layer's wind against the mean; by hand
WIND_TURN = 0.6  # rad rms by which a layer's wind turns from the others; by hand
RINGS, DIRECTIONS = 48, 16  # of waves in a layer; chosen so that a stack's tilt rms settles
LONGEST = 30.0  # wavelength over outer scale; longer waves carry 1e-3 of the tilt's variance
LONGEST_KOLMOGOROV = 1e6  # diameters, without an outer scale: tilt converges slowly
SHORTEST = 12.0  # cycles per beam; the modes that are used have vanished there


@dataclass(frozen=True)
class Layer:
    """A thin layer of air; lengths are in diameters of the aperture.

    d_over_r0   aperture over the layer's own Fried parameter, for a plane wave
    width       diameter of the beam in the layer
    separation  between the beams of neighbouring pixels
    drift       (right, down) by which the wind carries the layer in a frame time
    """

    d_over_r0: float
    width: float
    separation: float
    drift: tuple[float, float]


@dataclass(frozen=True)
class LayeredAir:
    """Turbulence in layers along the line of sight.

    layers       from the aperture to the scene
    outer_scale  in diameters of the aperture; infinite for Kolmogorov's spectrum
    sampling     pixel pitch in units of lambda / (2 D)
    modes        last Noll mode that is simulated
    """

    layers: tuple[Layer, ...]
    outer_scale: float = 10.0
    sampling: float = 1.0
    modes: int = 66

    @property
    def d_over_r0(self) -> float:
        """Aperture over the Fried parameter of the whole path, for light from the scene."""
        total = sum((layer.d_over_r0 * layer.width) ** (5 / 3) for layer in self.layers)
        return float(total ** (3 / 5))

    def scaled(self, d_over_r0: float) -> LayeredAir:
        """Return the same air, stronger or weaker."""
        factor = d_over_r0 / self.d_over_r0
        layers = [replace(layer, d_over_r0=factor * layer.d_over_r0) for layer in self.layers]
        return replace(self, layers=tuple(layers))

    def drift(self) -> float:
        """Return by how many diameters the fastest layer moves in a frame time."""
        return max(math.hypot(*layer.drift) for layer in self.layers)


@dataclass(frozen=True)
class Waves:
    """The waves of one layer: frequency [w, 2] (right, down) in cycles per diameter, and amplitude
    [w], complex, in rad."""

    layer: Layer
    frequency: torch.Tensor
    amplitude: torch.Tensor


def layers_of(
    path: Path, sampling: float, frame_time: float, generator: torch.Generator
) -> LayeredAir:
    """Cut a path into layers of equal strength, each with a wind of its own; a pixel is `sampling`
    lambda / (2 D) wide, and `frame_time` is in seconds."""
    z, strength = strength_along(path)
    share = (strength.cumsum() - strength / 2) / strength.sum()
    turned = 2 * math.pi * float(torch.rand((), generator=generator, device=generator.device))
    layers = []
    for i in range(LAYERS):
        inside = (share >= i / LAYERS) & (share < (i + 1) / LAYERS)
        total = float(strength[inside].sum())
        place = float((strength[inside] * z[inside]).sum()) / total
        pixel = sampling * path.wavelength / (2 * path.aperture)  # rad
        layers.append(
            Layer(
                d_over_r0=path.aperture / r0_of(path, total),
                width=float(beam_width(path, np.array(place))),
                separation=pixel * place / path.aperture,
                drift=draw_drift(path.wind * frame_time / path.aperture, turned, generator),
            )
        )
    return LayeredAir(tuple(layers), path.outer_scale / path.aperture, sampling)


def draw_drift(wind: float, angle: float, generator: torch.Generator) -> tuple[float, float]:
    """Draw the drift (right, down) of a layer, where the wind blows at `angle` and carries layers
    by `wind` diameters a frame time on the average."""
    device = generator.device
    low, high = WIND_SPREAD
    moved = wind * (low + (high - low) * float(torch.rand((), generator=generator, device=device)))
    turned = angle + WIND_TURN * float(torch.randn((), generator=generator, device=device))
    return moved * math.cos(turned), moved * math.sin(turned)


def draw_waves(air: LayeredAir, generator: torch.Generator) -> list[Waves]:
    """Draw the waves of all layers. Frequencies are spread evenly over octaves and directions, one
    in each cell, so that long waves need no large screen."""
    return [_waves_of(layer, air.outer_scale, generator) for layer in air.layers]


def coefficients(
    air: LayeredAir, waves: list[Waves], modes: range, y: torch.Tensor, x: torch.Tensor,
    times: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Return Noll modes [n, modes, gy, gx] in rad of the beams of pixels at y [gy] and x [gx], at
    times [n, gy] in frame times."""
    total = torch.zeros((len(times), len(y), len(modes), len(x)), device=times.device)
    odd = [noll_to_nm(j)[1] % 2 for j in modes]
    for drawn in waves:
        mixing = _of_modes(drawn, modes)
        across = 2 * math.pi * drawn.frequency[:, :1] * drawn.layer.separation * x.double()
        cosine, sine = (mixing[..., None] * part.float() for part in (across.cos(), across.sin()))
        seen = _at(drawn, y, times)
        for parity, wave in enumerate((seen, 1j * seen)):
            which = [row for row, is_odd in enumerate(odd) if is_odd == parity]
            # Re[p e] = Re p Re e - Im p Im e; modes that are odd about the centre turn p by i.
            columns = torch.cat([cosine[which], -sine[which]], dim=1)
            mixed = einsum(
                torch.cat([wave.real, wave.imag], dim=-1),
                columns,
                "n gy w, mode w gx -> n gy mode gx",
            )
            total[:, :, which] += mixed
    return rearrange(total, "n gy mode gx -> n mode gy gx")


def phase_spectrum(frequency: torch.Tensor, d_over_r0: float, outer_scale: float) -> torch.Tensor:
    """Return von Karman's power spectrum of phase in rad^2 diameters^2, at frequencies in cycles
    per diameter: 0.0229 (D/r0)^(5/3) (f^2 + 1/L0^2)^(-11/6)."""
    constant = structure_constant() * math.gamma(11 / 6) ** 2 / (2 * math.pi ** (11 / 3))
    strength = constant * d_over_r0 ** (5 / 3)
    spectrum: torch.Tensor = strength * (frequency.square() + outer_scale**-2) ** (-11 / 6)
    return spectrum


def _waves_of(layer: Layer, outer_scale: float, generator: torch.Generator) -> Waves:
    longest = LONGEST * outer_scale if math.isfinite(outer_scale) else LONGEST_KOLMOGOROV
    low, high = -math.log(longest), math.log(SHORTEST / layer.width)
    device = generator.device
    shape = (RINGS, DIRECTIONS)
    draw = torch.rand((2, *shape), generator=generator, device=device, dtype=torch.float64)
    ring = torch.arange(RINGS, device=device)[:, None] + draw[0]
    # Half a turn of directions is enough: an amplitude and its conjugate stand for both ways.
    angle = (torch.arange(DIRECTIONS, device=device) + draw[1]) * (math.pi / DIRECTIONS)
    frequency = (low + ring * ((high - low) / RINGS)).exp()
    cell = frequency**2 * ((high - low) / RINGS) * (math.pi / DIRECTIONS)
    variance = 2 * phase_spectrum(frequency, layer.d_over_r0, outer_scale) * cell
    noise = torch.randn((2, *shape), generator=generator, device=device, dtype=torch.float64)
    amplitude = torch.complex(noise[0], noise[1]) * variance.sqrt()
    both = torch.stack([frequency * angle.cos(), frequency * angle.sin()], dim=-1)
    return Waves(layer, both.flatten(0, 1), amplitude.flatten())


def _at(drawn: Waves, y: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return the waves [n, gy, w], complex, in column 0 of the rows y [gy] at times [n, gy]."""
    right, down = drawn.layer.drift
    along = drawn.frequency[:, 0] * right + drawn.frequency[:, 1] * down
    place = drawn.frequency[:, 1] * drawn.layer.separation * y.double()[:, None]
    phase = 2 * math.pi * (place + along * times.double()[..., None])
    # Whole turns are taken out in double precision.
    phase = phase.remainder(2 * math.pi).float()
    waves: torch.Tensor = torch.complex(phase.cos(), phase.sin())
    return waves * drawn.amplitude.to(waves)


def _of_modes(drawn: Waves, modes: range) -> torch.Tensor:
    """Return how much of each wave a mode holds [modes, w]: Noll (1976) eq. 8 for a disc of the
    beam's width, without the factor i of modes that are odd about the centre."""
    # Bessel functions in 64 bits, on the host.
    right, down = drawn.frequency.cpu().numpy().T
    argument = math.pi * drawn.layer.width * np.hypot(right, down)
    angle = np.arctan2(down, right)
    bessel = {n: bessel(n + 1, argument) for n in {noll_to_nm(j)[0] for j in modes}}
    mixing = np.empty((len(modes), len(argument)))
    for row, j in enumerate(modes):
        n, m = noll_to_nm(j)
        order = abs(m)
        sign = (-1) ** ((n - order) // 2 + order // 2)
        radial = sign * 2 * math.sqrt(n + 1) * bessel[n] / argument
        around = np.cos if m >= 0 else np.sin
        mixing[row] = radial * (math.sqrt(2) if m else 1.0) * around(order * angle)
    return torch.from_numpy(mixing).float().to(drawn.frequency.device)
