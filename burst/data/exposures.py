"""What the optics of a camera show of a still scene through turbulent air, before the sensor.

Air and vibration displace the scene, each row at its own time, and the air's higher orders blur it.
The air may be drawn as correlated Zernike fields (`ops.turbulence.air`) or as layers along a path
(`ops.turbulence.layers`): both give Zernike coefficients of every beam at its own time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum, rearrange
from scipy.fft import next_fast_len
from torch.nn import functional

from burst.ops.alignment.motion import flow_of, inverse, move
from burst.ops.blur import psf as psf_ops
from burst.ops.chunks import frames_at_once
from burst.ops.shutter import exposure_window
from burst.ops.turbulence.air import (
    Air,
    at_times,
    frame_correlation,
    tilt_to_pixels,
    zernike_fields,
)
from burst.ops.turbulence.layers import LayeredAir, coefficients, draw_waves
from burst.ops.turbulence.zernike import FIRST_HIGHER, TILT_X
from burst.ops.vibration import Vibration
from burst.ops.warp import compose, invert, pixel_grid, resize_field, warp
from burst.records import Sensor, Shutter

# Chosen by hand.
GRID_SPACING = 8.0  # pixels between simulated beams
PSF_STRIDE = 3  # one PSF for every so many beams
PSF_SIZE = 33
BASIS = 20  # principal components of the PSFs
MAX_STEP = 0.5  # px that the image may move between two instants of an exposure
MAX_STEPS = 7
MAX_DRIFT = 0.1  # diameters that layers may drift between two wavefronts of an exposure
MAX_WAVEFRONTS = 5
ALL = slice(None)

# Tilts [n, 2, gy, gx] and higher modes [n, modes, gy', gx'] in rad at a share of the exposure.
Wavefront = tuple[torch.Tensor, torch.Tensor]
Span = tuple[torch.Tensor, torch.Tensor]  # begin and end of exposure [n, h] in frame times


@dataclass(frozen=True)
class Optics:
    """What blurs besides the air.

    defocus  wavefront error in rad rms: Noll's fourth mode
    pixel    side of the area of a pixel that gathers light, in pixels; 0 for points
    """

    defocus: float = 0.0
    pixel: float = 0.0


@dataclass(frozen=True)
class View:
    """Who looks through which air, for how many frames of which size (h, w)."""

    sensor: Sensor
    air: Air | LayeredAir
    vibration: float
    frames: int
    size: tuple[int, int]
    optics: Optics = Optics()
    path: torch.Tensor | None = None  # [n, 2, 3] the camera's motion, as in `ops.alignment.motion`


class Exposures:
    """Displacement and wavefront of every row of every frame, at the row's own time."""

    def __init__(self, view: View, generator: torch.Generator) -> None:
        device = generator.device
        sensor, frames, size = view.sensor, view.frames, view.size
        self.path = None if view.path is None else view.path.to(device)
        self.sampling, self.optics, self.size = view.air.sampling, view.optics, size
        self.scan = np.ones(frames, np.int8)
        if sensor.shutter is Shutter.DUAL_REVERSED:
            self.scan[1::2] = -1
        begin, end = exposure_window(sensor, size[0], self.scan)
        self.begin, self.end = begin.to(device), end.to(device)
        self.vibration = Vibration(view.vibration, generator)
        frame_time = max(sensor.frame_time, 1e-9)
        times = self.begin / frame_time, self.end / frame_time
        if isinstance(view.air, LayeredAir):
            self.wavefronts = _draw_layers(view.air, size, times, generator)
        else:
            self.wavefronts = _draw_fields(view.air, size, times, generator)

    def tilt(self, chosen: slice, share: float = 0.5) -> torch.Tensor:
        """Return the air's displacement [n, 2, h, w] of the sensor's pixels, in pixels, at a share
        of each row's exposure."""
        tilt, _ = self.wavefronts[int(share * len(self.wavefronts))]
        return resize_field(tilt[chosen] * tilt_to_pixels(self.sampling), self.size)

    def motion(self, chosen: slice, share: float) -> torch.Tensor:
        """Return the camera's displacement [n, h, 2] at a share of each row's exposure."""
        begin, end = self.begin[chosen], self.end[chosen]
        return self.vibration.at(begin + share * (end - begin))

    def psfs(self, chosen: slice) -> torch.Tensor:
        """Return PSFs [n, gy, gx, k, k] of every third beam, for light that points gather."""
        shown = [self._psfs(higher[chosen]) for _, higher in self.wavefronts]
        return shown[0] if len(shown) == 1 else torch.stack(shown).mean(0)

    def steps(self) -> int:
        """Return over how many instants an exposure is averaged, from the motion during it."""
        moved = (self.motion(ALL, 1.0) - self.motion(ALL, 0.0)).norm(dim=-1)
        steps = min(MAX_STEPS, max(1, math.ceil(float(moved.max()) / MAX_STEP)))
        return max(steps, len(self.wavefronts))

    def truth(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return flow [n, 2, h, w] and row motion [n, h, 2], from the reference to each frame."""
        row_motion = self.motion(ALL, 0.5)
        total = invert(compose(self.tilt(ALL), row_motion))
        if self.path is not None:
            moved = flow_of(self.path, self.size)
            # The air displaces what the frame shows, so it is sampled where the camera points.
            total = moved + torch.stack(
                [warp(total[:, axis], moved, mode="bilinear") for axis in (0, 1)], dim=1
            )
        return total - rearrange(row_motion, "n h xy -> n xy h 1"), row_motion

    def _psfs(self, higher: torch.Tensor) -> torch.Tensor:
        n, _, gy, gx = higher.shape
        flat = rearrange(higher, "n mode gy gx -> (n gy gx) mode")
        if self.optics.defocus:
            flat = torch.cat([flat[:, :1] + self.optics.defocus, flat[:, 1:]], dim=1)
        kernels = psf_ops.psf_from_zernike(flat, self.sampling, PSF_SIZE)
        return rearrange(kernels, "(n gy gx) ky kx -> n gy gx ky kx", n=n, gy=gy, gx=gx)


def expose(wide: torch.Tensor, shot: Exposures) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the noise-free frames [n, h, w] of a scene with a margin, [H, W], or [n, H, W] where
    each frame sees another one, and the mean PSF of each [n, k, k]."""
    basis = _psf_basis(shot)
    pixel = shot.optics.pixel
    gathered = psf_ops.gather(basis, pixel) if pixel else basis
    steps = shot.steps()
    frames, kernels = [], []
    step = frames_at_once(wide if wide.ndim == 3 else wide[None])
    for first in range(0, len(shot.scan), step):
        chosen = slice(first, first + step)
        path = None if shot.path is None else shot.path[chosen]
        scene = wide[chosen] if wide.ndim == 3 else wide
        shares = [(i + 0.5) / steps for i in range(steps)]
        displacements = (compose(shot.tilt(chosen, s), shot.motion(chosen, s)) for s in shares)
        moved = torch.stack([_displace(scene, one, path) for one in displacements]).mean(0)
        psfs = shot.psfs(chosen)
        weights = einsum(psfs - basis[0], basis[1:], "n gy gx ky kx, b ky kx -> n b gy gx")
        frames.append(_blur_locally(moved, weights, gathered, shot.size))
        mean = psfs.mean((1, 2))
        kernels.append(psf_ops.gather(mean, pixel) if pixel else mean)
    return torch.cat(frames), torch.cat(kernels)


def _draw_fields(
    air: Air, size: tuple[int, int], times: Span, generator: torch.Generator
) -> list[Wavefront]:
    """Draw the wavefront in the middle of each exposure, of air that has no layers."""
    grid = (_beam_count(size[0]), _beam_count(size[1]))
    middle = (times[0] + times[1]) / 2
    fields = zernike_fields(air, grid, GRID_SPACING, int(middle.max()) + 2, generator)
    rows = middle[:, _beams(size[0], middle.device)]
    seen = at_times(fields, rows, frame_correlation(air.coherence))
    return [(seen[:, :2], seen[:, 2:, ::PSF_STRIDE, ::PSF_STRIDE])]


def _draw_layers(
    air: LayeredAir, size: tuple[int, int], times: Span, generator: torch.Generator
) -> list[Wavefront]:
    """Draw wavefronts of layers that drift: at several instants where an exposure sees them
    move."""
    begin, end = times
    drift = air.drift() * float((end - begin).max())
    # An odd number, so that one lies in the middle.
    count = min(MAX_WAVEFRONTS, 2 * math.ceil((drift / MAX_DRIFT - 1) / 2) + 1)
    y, x = (_beams(side, begin.device) for side in size)
    thin = slice(None, None, PSF_STRIDE)
    waves = draw_waves(air, generator)
    tilts, higher = range(TILT_X, FIRST_HIGHER), range(FIRST_HIGHER, air.modes + 1)
    drawn = []
    for i in range(count):
        instants = (begin + (i + 0.5) / count * (end - begin))[:, y]
        tilt = coefficients(air, waves, tilts, y, x, instants)
        blur = coefficients(air, waves, higher, y[thin], x[thin], instants[:, thin])
        drawn.append((tilt, blur))
    return drawn


def _displace(
    wide: torch.Tensor, displacement: torch.Tensor, path: torch.Tensor | None = None
) -> torch.Tensor:
    """Displace a scene: pixel q of the sensor shows the scene's point q - displacement(q). With a
    `path` [n, 2, 3] it is the point that the camera's motion brings there."""
    margin = PSF_SIZE // 2
    padded = functional.pad(displacement, (margin,) * 4, mode="replicate")
    flow = -padded
    if path is not None:
        x, y = pixel_grid(padded)
        outside = (wide.shape[-1] - padded.shape[-1]) // 2 + margin
        points = torch.stack([x - margin + flow[:, 0], y - margin + flow[:, 1]], 1)
        seen = move(inverse(path), points)
        flow = torch.stack([seen[:, 0] + outside - x, seen[:, 1] + outside - y], dim=1)
    return warp(wide.expand(len(flow), -1, -1), flow)


def _blur_locally(
    frames: torch.Tensor, weights: torch.Tensor, basis: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Blur frames [n, H, W] by PSFs that vary over the field: basis[0] [k, k], the mean PSF, and
    the others by weights [n, b, gy, gx]. These sum to 0, so that every pixel's PSF sums to 1."""
    weights = functional.interpolate(weights, size=size, mode="bilinear", align_corners=True)
    height, width = frames.shape[-2:]
    fast = (next_fast_len(height, real=True), next_fast_len(width, real=True))
    spectrum = torch.fft.rfft2(frames, s=fast)
    transfer = psf_ops.transfer_function(basis, fast)
    margin = PSF_SIZE // 2
    inside = (..., slice(margin, margin + size[0]), slice(margin, margin + size[1]))
    result: torch.Tensor = torch.fft.irfft2(spectrum * transfer[0], s=fast)[inside].contiguous()
    for b in range(1, basis.shape[0]):
        part = torch.fft.irfft2(spectrum * transfer[b], s=fast)[inside]
        result.addcmul_(weights[:, b - 1], part)
    return result


def _psf_basis(shot: Exposures) -> torch.Tensor:
    """Return the mean PSF and the principal components of the PSFs [BASIS + 1, k, k]."""
    every = max(1, len(shot.scan) // 4)
    sample = rearrange(shot.psfs(slice(0, None, every)), "n gy gx ky kx -> (n gy gx) (ky kx)")
    mean = sample.mean(0)
    _, _, components = torch.linalg.svd(sample[:600] - mean, full_matrices=False)
    components = components[:BASIS]
    components = components - components.mean(1, keepdim=True)
    return rearrange(torch.cat([mean[None], components]), "b (ky kx) -> b ky kx", ky=PSF_SIZE)


def _beams(side: int, device: torch.device) -> torch.Tensor:
    """Return the pixels nearest to the beams along a side."""
    return torch.linspace(0, side - 1, _beam_count(side), device=device).round().long()


def _beam_count(pixels: int) -> int:
    return max(3, math.ceil((pixels - 1) / GRID_SPACING) + 1)
