"""Simulate what sensors with any shutter record of a moving scene, and the truth at nine instants.

A scene gives the light on row y at time t. Each row of each frame is computed at its own times,
those of `exposure_window`; a truth is computed at one time for all rows. Light is linear up to the
sensor, which counts, clips and rounds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from einops import rearrange, repeat

from burst.files.sequence import Sequence
from burst.ops.color import display_to_linear
from burst.ops.noise import to_dn, to_linear
from burst.ops.shutter import exposure_window
from burst.ops.vibration import Vibration
from burst.ops.warp import warp
from burst.records import Sensor, Shutter, StackError

TRUTHS = 9  # over the readout of a frame, first and last row included
# Chosen by hand.
MAX_STEP = 0.5  # pixels that a scene may move between two instants of an exposure
MAX_STEPS = 64
EPS = 1e-6  # of a frame of footage
SWING_PERIOD = 0.5  # seconds

MotionPath = Callable[[torch.Tensor], torch.Tensor]


class Scene(Protocol):
    """Light on a sensor that changes with time."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the sensor."""

    def light(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return linear light [n, h, w] of row y at seconds [n, h]."""

    def exposed(self, begin: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """Return the mean light [h, w] of row y from begin to end [h] seconds."""


@dataclass(frozen=True)
class Footage:
    """Frames [t, h, w] of a high-speed camera, `rate` a second; each lasts until the next."""

    frames: np.ndarray
    sensor: Sensor
    rate: float

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the video."""
        return int(self.frames.shape[1]), int(self.frames.shape[2])

    def light(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return linear light [n, h, w] of row y at seconds [n, h]; StackError past the end."""
        index = self._index(seconds)
        return self._linear(self.frames[index, np.arange(self.size[0])])

    def exposed(self, begin: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """Return the mean light [h, w] of row y from begin to end [h] seconds. Frames count by the
        time that they share with the exposure. StackError past the end."""
        if float((end - begin).max()) == 0:
            return self.light(begin[None])[0]
        total = torch.zeros(self.size)
        first = int(self._index(begin).min())
        last = int(np.ceil(float(end.max()) * self.rate - EPS))
        self._index((torch.tensor([last]) - 0.5) / self.rate)
        for k in range(first, last):
            since = (begin * self.rate).clamp(min=k)
            share = ((end * self.rate).clamp(max=k + 1) - since).clamp(min=0)
            rows = torch.nonzero(share)[:, 0]
            total[rows] += share[rows, None].float() * self._linear(self.frames[k, rows.numpy()])
        return total / ((end - begin) * self.rate)[:, None].float()

    def _index(self, seconds: torch.Tensor) -> np.ndarray:
        """Return the number of the frame shown at seconds, of any shape; StackError
        past the last."""
        # At the border of two frames rounding must not decide.
        index: np.ndarray = torch.floor(seconds * self.rate + EPS).long().numpy()
        if index.max() >= len(self.frames):
            raise StackError(
                f"footage: expected at least {index.max() + 1} frames at {self.rate:g} a second,"
                f" found {len(self.frames)}. Simulate fewer frames, or a higher frame rate."
            )
        return index

    def _linear(self, dn: np.ndarray) -> torch.Tensor:
        light = to_linear(dn, self.sensor)
        return display_to_linear(light) if self.sensor.transfer == "srgb" else light


@dataclass(frozen=True)
class Drift:
    """A smooth path: constant velocity (dx, dy) px/s, a sine of `swing` px and `period` s, and a
    shake."""

    velocity: tuple[float, float]
    swing: tuple[float, float] = (0.0, 0.0)
    period: float = 1.0
    shake: Vibration | None = None

    def __call__(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return the displacement (dx, dy) [..., 2] px at seconds [...]; 0 at 0 without a shake."""
        t = seconds.double()[..., None]
        turn = (2 * math.pi / self.period * t).sin()
        displacement = torch.tensor(self.velocity) * t + torch.tensor(self.swing) * turn
        if self.shake is not None:
            displacement = displacement + self.shake.at(seconds)
        return displacement.float()


@dataclass(frozen=True)
class Layers:
    """A still background with an object in front of it that moves by itself.

    background, object        linear light [H, W] of one size; the background may be layers itself
    cover                     [H, W] in 0..1, the opacity of the object
    camera_path, object_path  displacements (dx, dy) [..., 2] px at seconds [...]; that of the
                              object is relative to the background
    size                      (h, w) that is seen: the middle, at displacement 0; edges reflect
    """

    background: torch.Tensor | Layers
    object: torch.Tensor
    cover: torch.Tensor
    camera_path: MotionPath
    object_path: MotionPath
    size: tuple[int, int]

    def light(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return linear light [n, h, w] of row y at seconds [n, h]."""
        camera = self.camera_path(seconds)
        own = camera + self.object_path(seconds)
        cover = self._seen(self.cover, own).clamp(0, 1)
        if isinstance(self.background, Layers):
            behind = self.background.light(seconds)
        else:
            behind = self._seen(self.background, camera)
        return torch.lerp(behind, self._seen(self.object, own), cover).clamp(min=0)

    def exposed(self, begin: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """Return the mean light [h, w] of row y from begin to end [h] seconds. It is the mean of
        instants between which no layer moves by more than half a pixel."""
        steps = min(MAX_STEPS, max(1, math.ceil(self._moved(begin, end) / MAX_STEP)))
        shares = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
        light = self.object.new_zeros(self.size)
        for share in shares:
            light += self.light(begin + share * (end - begin)[None])[0]
        return light / steps

    def _moved(self, begin: torch.Tensor, end: torch.Tensor) -> float:
        """Return by how many px a layer moves at most between two times [h]."""
        paths = (self.camera_path, self.object_path)
        own = sum(float((path(end) - path(begin)).norm(dim=-1).max()) for path in paths)
        behind = self.background
        return max(own, behind._moved(begin, end)) if isinstance(behind, Layers) else own

    def _seen(self, layer: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
        """Return a layer [n, h, w] whose row y is displaced by [n, h, 2] px."""
        corner = [(large - small) // 2 for large, small in zip(layer.shape, self.size, strict=True)]
        origin = torch.tensor(corner[::-1], dtype=torch.float32)
        flow = rearrange(origin - displacement, "n h xy -> n xy h 1")
        flow = flow.expand(-1, -1, -1, self.size[1])
        return warp(repeat(layer, "h w -> n h w", n=len(flow)), flow)


def draw_layers(
    still: torch.Tensor, size: tuple[int, int], speed: float, shake: float, seed: int
) -> Layers:
    """Draw a moving scene from a still image [H, W]; camera and object move at about `speed` px/s.
    The object is a disc of the mirrored image, half as wide as what is seen. `shake` is the
    camera's vibration in px rms."""
    generator = torch.Generator().manual_seed(seed)
    height, width = still.shape
    y = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32)[None] - (width - 1) / 2
    edge = min(size) / 4 - (x**2 + y**2).sqrt()
    vibration = Vibration(shake, generator) if shake else None
    return Layers(
        background=still.float(),
        object=still.float().flip(1),
        cover=(edge + 0.5).clamp(0, 1),
        camera_path=_draw_path(speed, generator, vibration),
        object_path=_draw_path(speed, generator, None),
        size=size,
    )


def simulate_shutter(
    scene: Scene,
    sensor: Sensor,
    count: int,
    generator: torch.Generator | None = None,
    light: float = 1.0,
) -> Sequence:
    """Simulate `count` frames of a scene, and `TRUTHS` truths of each frame or dual reversed pair.

    Shutter, times, levels and noise are the sensor's. `light` is the linear value of the scene's
    white after `exposure_time`; rows of a global reset are exposed ever longer and come out ever
    brighter. Truths are sharp, without noise, and in DN like the frames. StackError if the sensor
    cannot be simulated.
    """
    _check(sensor, count)
    paired = sensor.shutter is Shutter.DUAL_REVERSED
    scan = np.resize(np.array([1, -1] if paired else [1], np.int8), count)
    frames = _record(light * _expose(scene, sensor, scan), sensor, generator)
    first = np.arange(0, count, 2 if paired else 1)
    sequence = Sequence(
        frames,
        sensor,
        scan,
        name="simulated",
        source="simulated",
        truths=np.zeros((TRUTHS * len(first), *frames.shape[1:]), np.uint16),
        truth_frame=np.repeat(first, TRUTHS),
        truth_share=np.tile(np.linspace(0, 1, TRUTHS), len(first)),
    )
    clean = replace(sensor, noise=None)
    for index, instant in enumerate(sequence.instants):
        seen = scene.light(torch.full((1, scene.size[0]), instant, dtype=torch.float64))
        sequence.truths[index] = _record(light * seen, clean, None)[0]
    return sequence


def _check(sensor: Sensor, count: int) -> None:
    if sensor.shutter is Shutter.DUAL_REVERSED and count % 2:
        raise StackError(
            f"frames: expected whole pairs of a dual reversed shutter, found {count} frames."
            " Pass an even number."
        )
    if sensor.shutter is Shutter.GLOBAL_RESET and sensor.exposure_time == 0:
        raise StackError(
            "exposure_time: expected seconds above 0 for a global reset, whose first row would"
            " stay dark, found 0. Pass a longer exposure."
        )


def _expose(scene: Scene, sensor: Sensor, scan: np.ndarray) -> torch.Tensor:
    """Return the light [n, h, w] that rows gather, 1 for white during `exposure_time`."""
    begin, end = exposure_window(sensor, scene.size[0], scan)
    frames = torch.stack([scene.exposed(*one) for one in zip(begin, end, strict=True)])
    if sensor.exposure_time == 0:
        return frames
    return frames * ((end - begin) / sensor.exposure_time)[..., None].float()


def _record(light: torch.Tensor, sensor: Sensor, generator: torch.Generator | None) -> np.ndarray:
    """Return DN [n, h, w] uint16 of linear light, with the sensor's noise, clipped at white."""
    if sensor.noise is not None:
        noise = sensor.noise
        if noise.shot:
            light = torch.poisson(light.clamp(min=0) / noise.shot, generator) * noise.shot
        light = light + math.sqrt(noise.read) * torch.randn(light.shape, generator=generator)
    return to_dn(light, sensor)


def _draw_path(speed: float, generator: torch.Generator, shake: Vibration | None) -> Drift:
    """Draw a path of random direction whose swing changes the velocity by half of the speed."""
    first, second = (2 * math.pi * torch.rand(2, generator=generator)).tolist()
    swing = speed / 2 * SWING_PERIOD / (2 * math.pi)
    return Drift(
        (speed * math.cos(first), speed * math.sin(first)),
        (swing * math.cos(second), swing * math.sin(second)),
        SWING_PERIOD,
        shake,
    )
