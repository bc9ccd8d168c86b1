"""Simulate what a camera records of a still scene through turbulent air, with the truth.

The steps follow the light: air and vibration displace the scene (each row at its own time), the
air's higher orders blur it, the sensor counts electrons, adds its noise and rounds to DN.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from burst.data.exposures import PSF_SIZE, Exposures, Optics, View, expose
from burst.data.levels import Conditions
from burst.ops.alignment.motion import reach
from burst.ops.turbulence.air import Air
from burst.ops.turbulence.layers import LayeredAir
from burst.records import Sensor, Shutter, Stack


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
    optics: Optics = field(default_factory=Optics)


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
    air: Air | LayeredAir

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
    air: Air | LayeredAir | None = None,
    path: torch.Tensor | None = None,
) -> SimulatedStack:
    """Simulate `frames` frames of size (h, w) of a scene [H, W], linear in [0, 1], or [n, H, W]
    where something moves in it; the truth is then that of the middle frame.

    The middle of the scene is used, mirrored where it is too small. `air` sets what `conditions` do
    not; the strength is that of the conditions. The simulation runs on the generator's device.
    `path` [n, 2, 3] is the camera's motion, as in `ops.alignment.motion`; the truth lies on the
    grid of a camera at rest.
    """
    camera = camera or Camera()
    air = as_strong(air or Air(1.0), conditions.d_over_r0)
    size = size or (scene.shape[-2], scene.shape[-1])
    margin = PSF_SIZE // 2 + (0 if path is None else reach(path, size))
    wide = _with_margin(scene.to(generator.device).float(), size, margin)
    view = View(camera.sensor, air, conditions.vibration, frames, size, camera.optics, path)
    shot = Exposures(view, generator)
    noiseless, psf = expose(wide, shot)
    flow, row_motion = shot.truth()
    dn, hot, row_offset = _record(noiseless, conditions, camera, generator)
    sensor = replace(camera.sensor, sampling=air.sampling)
    stack = Stack(dn, sensor, name="simulated", source="simulated", scan=shot.scan)
    still = wide if wide.ndim == 2 else wide[frames // 2]
    seen = still[margin:-margin, margin:-margin]
    truth = Truth(seen, flow, row_motion, psf, noiseless, hot, row_offset, conditions, air)
    return SimulatedStack(stack, truth)


def as_strong(air: Air | LayeredAir, d_over_r0: float) -> Air | LayeredAir:
    """Return the same air, stronger or weaker."""
    if isinstance(air, LayeredAir):
        return air.scaled(d_over_r0)
    return replace(air, d_over_r0=d_over_r0)


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
    short = [max(0, w - s) for w, s in zip(wanted, scene.shape[-2:], strict=True)]
    pad = [(0, 0)] * (scene.ndim - 2) + [(s // 2, s - s // 2) for s in short]
    padded = np.pad(scene.cpu().numpy(), pad, mode="symmetric")
    top, left = ((p - w) // 2 for p, w in zip(padded.shape[-2:], wanted, strict=True))
    cut = padded[..., top : top + wanted[0], left : left + wanted[1]]
    return torch.from_numpy(np.ascontiguousarray(cut)).to(scene.device)
