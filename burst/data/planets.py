"""Simulate recordings of a planet that rotates and drifts, and draw its globe and a moon's surface.

The globe is rendered at the time of every frame and seen through the air of either simulator. Only
the part of the frame around the disc is: the sky is black.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from burst.data.exposures import Exposures, View, expose
from burst.data.levels import Conditions
from burst.data.recording import Planet
from burst.data.turbulence import Camera, as_strong
from burst.mapped import room_for_frames
from burst.ops.sphere import Globe, turned
from burst.ops.turbulence.air import Air
from burst.ops.turbulence.layers import LayeredAir
from burst.ops.warp import pixel_grid
from burst.records import Sensor, Stack

SKY = 28  # px around the disc that are rendered: the PSF's reach and the air's displacement
FINER = 3  # rendered pixels in a pixel, along a side
KEY_STEP = 0.25  # px that the surface moves between two rendered times
MAP_ROWS = 512
SPOTS = 14
# A global shutter: telescopes' cameras have one.
CAMERA = Camera(Sensor(black_level=256, white_level=4095, exposure_time=5e-3, frame_time=1e-2))
SEEING = Conditions(d_over_r0=2.5, electrons=1500, read_noise=3, vibration=0.5, row_noise=0)


@dataclass(frozen=True)
class PlanetStack:
    """A simulated recording, its planet, the map of its surface, and the upper left corner [n, 2]
    (x, y) px of the square around the disc, of `side` px, in each frame."""

    stack: Stack
    planet: Planet
    surface: torch.Tensor
    corner: np.ndarray
    side: int

    def truth(self, size: tuple[int, int], scale: float = 1.0) -> torch.Tensor:
        """Return the planet [h, w] at the middle of the recording, in the middle of an image whose
        pixels are `scale` times as fine as the frames'."""
        globe = replace(self.planet.globe, radius=self.planet.radius * scale)
        return render(globe, self.surface, self.planet.limb, torch.zeros(1), size)[0]


def simulate_planet(
    planet: Planet,
    conditions: Conditions,
    generator: torch.Generator,
    frames: int,
    size: tuple[int, int],
    air: Air | LayeredAir | None = None,
) -> PlanetStack:
    """Simulate frames of size (h, w) on the CPU; with dispersion the stack has colours."""
    times = torch.linspace(0, planet.seconds, frames)
    sensor = replace(
        CAMERA.sensor,
        exposure_time=planet.seconds / frames / 2,
        frame_time=planet.seconds / max(frames - 1, 1),
        frame_times=tuple(times.tolist()),
    )
    air = as_strong(air or Air(1.0), conditions.d_over_r0)
    side = 2 * math.ceil(planet.radius + SKY)
    surface = draw_map(generator)
    corner = _path(planet, frames, size, side, generator)
    start = generator.get_state()
    colours, after = [], start
    for shift in (planet.dispersion, 0.0, -planet.dispersion) if planet.dispersion else (0.0,):
        generator.set_state(start)  # the air is the same for all colours
        scenes = _scenes(planet, surface, planet.angle(times), side + 32, shift)
        view = View(sensor, air, conditions.vibration, frames, (side, side), CAMERA.optics)
        seen, _ = expose(scenes, Exposures(view, generator))
        after = generator.get_state()
        colours.append(seen)
    generator.set_state(after)
    taken = [_record(seen, corner, size, sensor, conditions, generator) for seen in colours]
    colour = np.stack(taken, axis=-1) if planet.dispersion else None
    whole = taken[0] if colour is None else taken[1]
    sensor = replace(sensor, sampling=air.sampling)
    stack = Stack(whole, sensor, name="planet", source="simulated", colour=colour)
    return PlanetStack(stack, planet, surface, corner, side)


def render(
    globe: Globe,
    surface: torch.Tensor,
    limb: float,
    angle: torch.Tensor,
    size: tuple[int, int],
    shift: tuple[float, float] = (0.0, 0.0),
) -> torch.Tensor:
    """Return images [n, h, w] of a globe turned by angles [n], in their middle but for a shift
    (x, y) px."""
    height, width = size
    x, y = pixel_grid(surface.new_empty((FINER * height, FINER * width)))
    x = (x + 0.5) / FINER - width / 2 - shift[0]
    y = (y + 0.5) / FINER - height / 2 - shift[1]
    points = globe.on_sphere(*torch.broadcast_tensors(x, y))
    light = points[2].clamp(min=1e-6) ** limb * (points[2] > 0)
    images = []
    for turn in angle:
        longitude, latitude = _place(turned(points, globe, -turn), globe)
        grid = torch.stack([longitude / (1.5 * math.pi), -latitude / (math.pi / 2)], dim=-1)
        # The map goes round one and a half times, so that no edge is seen.
        wrapped = torch.cat([surface[:, -len(surface) // 2 :], surface,
                             surface[:, : len(surface) // 2]], dim=1)  # fmt: skip
        shown = functional.grid_sample(
            wrapped[None, None], grid[None], "bicubic", "border", align_corners=False
        )[0, 0]
        images.append(functional.avg_pool2d((shown * light)[None], FINER)[0])
    return torch.stack(images)


def draw_map(generator: torch.Generator, rows: int = MAP_ROWS) -> torch.Tensor:
    """Draw the brightness [h, 2 h] of a surface with bands, eddies and spots over latitude (north
    first) and longitude, 0.2 to 0.95."""
    latitude = torch.linspace(math.pi / 2, -math.pi / 2, rows)[:, None]
    longitude = torch.linspace(-math.pi, math.pi, 2 * rows)[None]
    wavy = latitude + 0.05 * _eddies(rows, 12, generator)
    drawn = 0.6 * _eddies(rows, 110, generator) + 0.35 * _eddies(rows, 25, generator)
    for waves in (4, 7, 11, 17):
        phase, strength = (float(torch.rand((), generator=generator)) for _ in range(2))
        drawn = drawn + (0.5 + strength) * (waves * wavy + 2 * math.pi * phase).sin()
    for across, up, wide, dark in torch.rand((SPOTS, 4), generator=generator).tolist():
        far = longitude - math.pi * (2 * across - 1)
        far = (far + math.pi) % (2 * math.pi) - math.pi
        width = 0.04 + 0.12 * wide
        inside = 1 - ((far / (1.6 * width)) ** 2 + ((latitude - 1.6 * (up - 0.5)) / width) ** 2)
        drawn = drawn + (4 * dark - 2) * (6 * inside).sigmoid()
    low, high = drawn.flatten()[::7].quantile(torch.tensor([0.01, 0.99]))
    share: torch.Tensor = ((drawn - low) / (high - low)).clamp(0, 1)
    return 0.2 + 0.75 * share


def draw_craters(side: int, generator: torch.Generator, count: int = 400) -> torch.Tensor:
    """Draw the surface [h, w] of a moon under a low sun: craters of many sizes, 0 to 1."""
    x, y = pixel_grid(torch.empty((side, side)))
    height = 0.02 * side * _eddies(side, 6, generator)[:, :side]
    for across, down, small in torch.rand((count, 3), generator=generator).tolist():
        radius = max(2.0, 0.012 * side / (small + 0.08))
        far = ((x - side * across) ** 2 + (y - side * down) ** 2).sqrt() / radius
        bowl = torch.where(far < 1, far**2 - 1, torch.zeros_like(far))
        height = height + 0.25 * radius * (bowl + 0.6 * torch.exp(-(((far - 1) / 0.25) ** 2)))
    slope = torch.gradient(height)
    sunlight = (0.45 - 0.8 * slope[1]) / (1 + slope[0] ** 2 + slope[1] ** 2).sqrt()
    grain = 0.02 * _eddies(side, side // 4, generator)[:, :side]
    return (0.08 + 0.62 * sunlight + grain).clamp(0, 0.98)


def _place(points: torch.Tensor, globe: Globe) -> tuple[torch.Tensor, torch.Tensor]:
    """Return longitude and latitude (rad) of points [3, ...] of a globe."""
    pole = points.new_tensor(globe.pole)
    # East is to the right where the pole is up; the meridian points to the viewer.
    east = points.new_tensor([math.cos(globe.tilt), math.sin(globe.tilt), 0.0])
    axes = (pole, east, torch.linalg.cross(pole, east))
    along, right, near = (torch.einsum("c,c...->...", axis, points) for axis in axes)
    return torch.atan2(right, near), along.clamp(-1, 1).asin()


def _eddies(rows: int, finest: float, generator: torch.Generator) -> torch.Tensor:
    """Draw a field [h, 2 h] of std 1, of structures down to 1 / `finest` of the height, three times
    as long as they are high."""
    white = torch.randn((rows, 2 * rows), generator=generator)
    fy = torch.fft.fftfreq(rows, 1 / rows)[:, None]
    fx = 1.5 * torch.fft.rfftfreq(2 * rows, 1 / (2 * rows))[None]
    power = torch.exp(-((fx**2 + fy**2) / finest**2)) / (1 + (fx**2 + fy**2) / (finest / 6) ** 2)
    field: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * power, s=white.shape)
    return field / field.std()


def _scenes(
    planet: Planet, surface: torch.Tensor, angle: torch.Tensor, side: int, shift: float
) -> torch.Tensor:
    """Return what is to be seen [n, h, w] at the angles [n] of the frames."""
    moved = planet.radius * float(angle.max() - angle.min())
    keys = torch.linspace(float(angle.min()), float(angle.max()), 2 + math.ceil(moved / KEY_STEP))
    images = render(planet.globe, surface, planet.limb, keys, (side, side), (0.0, shift))
    if not moved:
        return images[:1].expand(len(angle), -1, -1)
    place = (angle - keys[0]) / (keys[1] - keys[0])
    before = place.floor().long().clamp(0, len(keys) - 2)
    share = (place - before)[:, None, None]
    return images[before] * (1 - share) + images[before + 1] * share


def _path(
    planet: Planet, frames: int, size: tuple[int, int], side: int, generator: torch.Generator
) -> np.ndarray:
    """Draw where the upper left corner [n, 2] (x, y) px of the square around the disc is: it drifts
    along the frame, shakes, and leaves the field downwards for a while."""
    height, width = size
    share = torch.linspace(-0.5, 0.5, frames)
    shake = torch.randn((frames, 2), generator=generator).cumsum(0) * 0.2
    shake = shake - shake.mean(0)
    x = (width - side) / 2 + planet.drift * share
    y = (height - side) / 2 + 0.1 * planet.drift * share
    if planet.away:
        # A bump that lies outside of the field for about its share of the recording.
        y = y + 2 * height * torch.exp(-(((share - 0.15) / planet.away) ** 4) * 8)
    return np.asarray(np.rint((torch.stack([x, y], 1) + shake).numpy()), np.int64)


def _record(
    seen: torch.Tensor,
    corner: np.ndarray,
    size: tuple[int, int],
    sensor: Sensor,
    conditions: Conditions,
    generator: torch.Generator,
) -> np.ndarray:
    """Return frames [n, h, w] in DN of what is seen [n, s, s] at each frame's place."""
    dn = room_for_frames((len(seen), *size))
    hot = torch.rand(size, generator=generator) < CAMERA.hot_pixels
    gain = 1 + CAMERA.pixel_gain_std * torch.randn(size, generator=generator)
    fixed = torch.where(hot, 0.6 * conditions.electrons, 0.0)
    fixed += CAMERA.pixel_offset_std * torch.randn(size, generator=generator)
    scale = (sensor.white_level - sensor.black) / conditions.electrons
    for number, (patch, (left, top)) in enumerate(zip(seen, corner.tolist(), strict=True)):
        # The noise goes with the disc, so that drift alone changes nothing else.
        near = torch.poisson(patch.clamp(min=0) * conditions.electrons, generator)
        near += conditions.read_noise * torch.randn(patch.shape, generator=generator)
        electrons = conditions.read_noise * torch.randn(size, generator=generator)
        _paste(near, electrons, left, top)
        electrons = electrons * gain + fixed
        counts = (electrons * scale + sensor.black).round().clamp(0, sensor.white_level)
        dn[number] = counts.numpy().astype(np.uint16)
    return dn


def _paste(patch: torch.Tensor, frame: torch.Tensor, left: int, top: int) -> None:
    """Put a patch [s, s] into a frame [h, w] at a corner, as far as it lies inside."""
    side, (height, width) = len(patch), frame.shape
    y = slice(min(max(top, 0), height), min(max(top + side, 0), height))
    x = slice(min(max(left, 0), width), min(max(left + side, 0), width))
    frame[y, x] = patch[y.start - top : y.stop - top, x.start - left : x.stop - left]
