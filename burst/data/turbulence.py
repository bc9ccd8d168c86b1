"""Simulate what a camera records of a still scene through turbulent air, with the truth.

The steps follow the light: air and vibration displace the scene (each row at its own time), the
air's higher orders blur it, the sensor counts electrons, adds its noise and rounds to DN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from einops import einsum, rearrange
from scipy.fft import next_fast_len

from burst.data.levels import Conditions
from burst.ops.alignment.motion import flow_of, inverse, move, reach
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
from burst.ops.vibration import Vibration
from burst.ops.warp import compose, invert, pixel_grid, resize_field, warp
from burst.records import Sensor, Shutter, Stack

# Chosen by hand.
GRID_SPACING = 8.0  # pixels between simulated beams
PSF_STRIDE = 3  # one PSF for every so many beams
PSF_SIZE = 33
BASIS = 20  # principal components of the PSFs
MAX_STEP = 0.5  # px that the image may move between two instants of an exposure
MAX_STEPS = 7


@dataclass(frozen=True)
class Camera:
    """The simulated camera: a 12-bit rolling-shutter sensor with fixed-pattern noise."""

    sensor: Sensor = field(
        default_factory=lambda: Sensor(
            black_level=256,
            white_level=4095,
            shutter=Shutter.ROLLING,
            exposure_time=4e-3,
            row_time=6e-5,
            frame_time=1 / 30,
        )
    )
    pixel_gain_std: float = 0.003
    pixel_offset_std: float = 0.2  # electrons
    hot_pixels: float = 5e-5  # share of all pixels


@dataclass(frozen=True)
class Truth:
    """The truth of a simulated stack: scene [h, w] linear, flow [n, 2, h, w] px by the air, row
    motion [n, h, 2] px by the camera, mean PSF [n, k, k] of each frame without tilt and motion,
    frames before noise [n, h, w] linear, hot pixels [h, w] bool, and row offsets [n, h] linear."""

    scene: torch.Tensor
    flow: torch.Tensor
    row_motion: torch.Tensor
    psf: torch.Tensor
    noiseless: torch.Tensor
    hot: torch.Tensor
    row_offset: torch.Tensor
    conditions: Conditions
    air: Air

    def of_frames(self, kept: torch.Tensor | None) -> Truth:
        """Return the truth of the frames with these numbers [m]; None means all."""
        if kept is None:
            return self
        names = ("flow", "row_motion", "psf", "noiseless", "row_offset")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


@dataclass(frozen=True)
class SimulatedStack:
    """A stack and its truth."""

    stack: Stack
    truth: Truth


def simulate(
    scene: torch.Tensor,
    conditions: Conditions,
    generator: torch.Generator,
    frames: int = 100,
    size: tuple[int, int] | None = None,
    camera: Camera | None = None,
    air: Air | None = None,
    path: torch.Tensor | None = None,
) -> SimulatedStack:
    """Simulate `frames` frames of size (h, w) of a scene [H, W], linear in [0, 1].

    The middle of the scene is used, mirrored where it is too small. `air` sets what `conditions` do
    not; the strength is that of the conditions. The simulation runs on the generator's device.
    `path` [n, 2, 3] is the camera's motion, as in `ops.alignment.motion`; the truth lies on the
    grid of a camera at rest.
    """
    camera = camera or Camera()
    air = replace(air or Air(1.0), d_over_r0=conditions.d_over_r0)
    size = size or (scene.shape[0], scene.shape[1])
    margin = PSF_SIZE // 2 + (0 if path is None else reach(path, size))
    wide = _with_margin(scene.to(generator.device).float(), size, margin)
    shot = _Exposures(camera.sensor, air, conditions, frames, size, generator, path)
    noiseless, psf = _expose(wide, shot)
    flow, row_motion = shot.truth()
    dn, hot, row_offset = _record(noiseless, conditions, camera, generator)
    sensor = replace(camera.sensor, sampling=air.sampling)
    stack = Stack(dn, sensor, name="simulated", source="simulated", scan=shot.scan)
    seen = wide[margin:-margin, margin:-margin]
    truth = Truth(seen, flow, row_motion, psf, noiseless, hot, row_offset, conditions, air)
    return SimulatedStack(stack, truth)


class _Exposures:
    """Displacement and wavefront of every row of every frame, at the row's own time."""

    def __init__(
        self,
        sensor: Sensor,
        air: Air,
        conditions: Conditions,
        frames: int,
        size: tuple[int, int],
        generator: torch.Generator,
        path: torch.Tensor | None = None,
    ) -> None:
        device = generator.device
        self.path = None if path is None else path.to(device)
        self.air, self.size, self.scan = air, size, np.ones(frames, np.int8)
        if sensor.shutter is Shutter.DUAL_REVERSED:
            self.scan[1::2] = -1
        begin, end = exposure_window(sensor, size[0], self.scan)
        self.begin, self.end = begin.to(device), end.to(device)
        self.vibration = Vibration(conditions.vibration, generator)
        grid = (_beam_count(size[0]), _beam_count(size[1]))
        middle = (self.begin + self.end) / 2 / max(sensor.frame_time, 1e-9)
        instants = int(middle.max()) + 2
        fields = zernike_fields(air, grid, GRID_SPACING, instants, generator)
        rows = torch.linspace(0, size[0] - 1, grid[0], device=device).round().long()
        self.wavefront = at_times(fields, middle[:, rows], frame_correlation(air.coherence))

    def tilt(self, chosen: slice) -> torch.Tensor:
        """Return the air's displacement [n, 2, h, w] of the sensor's pixels, in pixels."""
        scale = tilt_to_pixels(self.air.sampling)
        return resize_field(self.wavefront[chosen, :2] * scale, self.size)

    def motion(self, chosen: slice, share: float) -> torch.Tensor:
        """Return the camera's displacement [n, h, 2] at a share of each row's exposure."""
        begin, end = self.begin[chosen], self.end[chosen]
        return self.vibration.at(begin + share * (end - begin))

    def psfs(self, chosen: slice) -> torch.Tensor:
        """Return PSFs [n, gy, gx, k, k] of every third beam."""
        wavefront = self.wavefront[chosen, 2:, ::PSF_STRIDE, ::PSF_STRIDE]
        n, _, gy, gx = wavefront.shape
        flat = rearrange(wavefront, "n mode gy gx -> (n gy gx) mode")
        kernels = psf_ops.psf_from_zernike(flat, self.air.sampling, PSF_SIZE)
        return rearrange(kernels, "(n gy gx) ky kx -> n gy gx ky kx", n=n, gy=gy, gx=gx)

    def steps(self) -> int:
        """Return over how many instants an exposure is averaged, from the motion during it."""
        everything = slice(None)
        moved = (self.motion(everything, 1.0) - self.motion(everything, 0.0)).norm(dim=-1)
        return min(MAX_STEPS, max(1, math.ceil(float(moved.max()) / MAX_STEP)))

    def truth(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return flow [n, 2, h, w] and row motion [n, h, 2], from the reference to each frame."""
        everything = slice(None)
        row_motion = self.motion(everything, 0.5)
        total = invert(compose(self.tilt(everything), row_motion))
        if self.path is not None:
            moved = flow_of(self.path, self.size)
            # The air displaces what the frame shows, so it is sampled where the camera points.
            total = moved + torch.stack(
                [warp(total[:, axis], moved, mode="bilinear") for axis in (0, 1)], dim=1
            )
        return total - rearrange(row_motion, "n h xy -> n xy h 1"), row_motion


def _expose(wide: torch.Tensor, shot: _Exposures) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the noise-free frames [n, h, w] and the mean PSF of each [n, k, k]."""
    basis = _psf_basis(shot)
    steps = shot.steps()
    frames, kernels = [], []
    step = frames_at_once(wide[None])
    for first in range(0, len(shot.scan), step):
        chosen = slice(first, first + step)
        tilt = shot.tilt(chosen)
        moved = torch.stack(
            [
                _displace(
                    wide,
                    compose(tilt, shot.motion(chosen, (i + 0.5) / steps)),
                    None if shot.path is None else shot.path[chosen],
                )
                for i in range(steps)
            ]
        ).mean(0)
        psfs = shot.psfs(chosen)
        frames.append(_blur_locally(moved, psfs, basis, shot.size))
        kernels.append(psfs.mean((1, 2)))
    return torch.cat(frames), torch.cat(kernels)


def _displace(
    wide: torch.Tensor, displacement: torch.Tensor, path: torch.Tensor | None = None
) -> torch.Tensor:
    """Displace a scene: pixel q of the sensor shows the scene's point q - displacement(q). With a
    `path` [n, 2, 3] it is the point that the camera's motion brings there."""
    margin = PSF_SIZE // 2
    padded = torch.nn.functional.pad(displacement, (margin,) * 4, mode="replicate")
    flow = -padded
    if path is not None:
        x, y = pixel_grid(padded)
        outside = (wide.shape[-1] - padded.shape[-1]) // 2 + margin
        seen = move(
            inverse(path), torch.stack([x - margin + flow[:, 0], y - margin + flow[:, 1]], 1)
        )
        flow = torch.stack([seen[:, 0] + outside - x, seen[:, 1] + outside - y], dim=1)
    return warp(wide.expand(len(flow), -1, -1), flow)


def _blur_locally(
    frames: torch.Tensor, psfs: torch.Tensor, basis: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Blur frames [n, H, W] by PSFs [n, gy, gx, k, k] that vary over the field, in a basis
    [b, k, k]. basis[0] is the mean PSF; the others sum to 0, so that every pixel's PSF sums to
    1."""
    weights = einsum(psfs - basis[0], basis[1:], "n gy gx ky kx, b ky kx -> n b gy gx")
    weights = torch.nn.functional.interpolate(
        weights, size=size, mode="bilinear", align_corners=True
    )
    fast = (next_fast_len(frames.shape[-2], real=True), next_fast_len(frames.shape[-1], real=True))
    spectrum = torch.fft.rfft2(frames, s=fast)
    transfer = psf_ops.transfer_function(basis, fast)
    margin = PSF_SIZE // 2
    inside = (..., slice(margin, margin + size[0]), slice(margin, margin + size[1]))
    result: torch.Tensor = torch.fft.irfft2(spectrum * transfer[0], s=fast)[inside].contiguous()
    for b in range(1, basis.shape[0]):
        part = torch.fft.irfft2(spectrum * transfer[b], s=fast)[inside]
        result.addcmul_(weights[:, b - 1], part)
    return result


def _psf_basis(shot: _Exposures) -> torch.Tensor:
    """Return the mean PSF and the principal components of the PSFs [BASIS + 1, k, k]."""
    every = max(1, len(shot.scan) // 4)
    sample = rearrange(shot.psfs(slice(0, None, every)), "n gy gx ky kx -> (n gy gx) (ky kx)")
    mean = sample.mean(0)
    _, _, components = torch.linalg.svd(sample[:600] - mean, full_matrices=False)
    components = components[:BASIS]
    components = components - components.mean(1, keepdim=True)
    return rearrange(torch.cat([mean[None], components]), "b (ky kx) -> b ky kx", ky=PSF_SIZE)


def _record(
    noiseless: torch.Tensor, conditions: Conditions, camera: Camera, generator: torch.Generator
) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Simulate the sensor: DN uint16 [n, h, w], hot pixels [h, w], row offsets [n, h] linear."""
    n, h, w = noiseless.shape
    device = generator.device

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=device)

    hot = torch.rand((h, w), generator=generator, device=device) < camera.hot_pixels
    gain = 1 + camera.pixel_gain_std * normal(h, w)
    row_offset = conditions.row_noise * normal(n, h, 1)
    electrons = torch.poisson((noiseless * gain).clamp(min=0) * conditions.electrons, generator)
    electrons += conditions.read_noise * normal(n, h, w) + camera.pixel_offset_std * normal(h, w)
    electrons += row_offset + torch.where(hot, 0.6 * conditions.electrons, 0.0)
    black, white = camera.sensor.black, camera.sensor.white_level
    dn = (electrons * ((white - black) / conditions.electrons) + black).round().clamp(0, white)
    return dn.cpu().numpy().astype(np.uint16), hot, row_offset[..., 0] / conditions.electrons


def _with_margin(scene: torch.Tensor, size: tuple[int, int], margin: int) -> torch.Tensor:
    """Return the middle (h, w) of a scene with a margin of real or mirrored content."""
    wanted = [s + 2 * margin for s in size]
    short = [max(0, w - s) for w, s in zip(wanted, scene.shape, strict=True)]
    pad = [(s // 2, s - s // 2) for s in short]
    padded = np.pad(scene.cpu().numpy(), pad, mode="symmetric")
    top, left = ((p - w) // 2 for p, w in zip(padded.shape, wanted, strict=True))
    cut = padded[top : top + wanted[0], left : left + wanted[1]]
    return torch.from_numpy(np.ascontiguousarray(cut)).to(scene.device)


def _beam_count(pixels: int) -> int:
    return max(3, math.ceil((pixels - 1) / GRID_SPACING) + 1)
