"""Small simulated stacks that several tests share; each is made once and must not be changed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from burst.data.levels import find_level
from burst.data.planets import SEEING, PlanetStack, simulate_planet
from burst.data.recording import Planet
from burst.data.turbulence import SimulatedStack, Truth, simulate
from burst.ops.noise import to_linear
from burst.ops.warp import compose, warp
from burst.pipeline import load
from burst.records import Burst, Sensor, Stack
from burst.simulate import read_scene

LEVELS = ("low", "medium", "high", "very-high")


@lru_cache(maxsize=1)
def camera_scene() -> torch.Tensor:
    """Return the camera man [512, 512], linear."""
    return read_scene("camera")


@lru_cache(maxsize=16)
def stack_of(level: str, size: int = 128, frames: int = 30, seed: int = 1) -> SimulatedStack:
    """Return a stack of `frames` frames of size x size of the camera man at a level's point."""
    generator = torch.Generator().manual_seed(seed)
    return simulate(camera_scene(), find_level(level).point(), generator, frames, (size, size))


@lru_cache(maxsize=4)
def history_of(level: str) -> dict[str, Burst]:
    """Return what is known of a 192x192 stack of 40 frames "start", and after each stage's name."""
    known = {"start": Burst(stack_of(level, 192, 40).stack)}
    load("classical").run(known["start"], lambda step, burst: known.update({step.name: burst}))
    return known


def before(stage: str, level: str = "medium") -> Burst:
    """Return what a stage of the classical pipeline is given; its frames must not be changed."""
    known = history_of(level)
    return known[list(known)[list(known).index(stage) - 1]]


def after(stage: str, level: str = "medium") -> Burst:
    """Return what a stage of the classical pipeline gives at its default settings."""
    return history_of(level)[stage]


def truth_of(level: str = "medium") -> Truth:
    """Return the truth of the stack that `before` and `after` speak of."""
    return stack_of(level, 192, 40).truth


def linear_of(simulated: SimulatedStack) -> torch.Tensor:
    """Return the frames [n, h, w] of a simulated stack, black 0 and white 1."""
    sensor = simulated.stack.sensor
    return to_linear(simulated.stack.frames, sensor)


def total_flow(simulated: SimulatedStack) -> torch.Tensor:
    """Return the displacement [n, 2, h, w] px by air and camera together."""
    return compose(simulated.truth.flow, simulated.truth.row_motion)


def rms(values: torch.Tensor | np.ndarray) -> float:
    """Return the root mean square of values of any shape."""
    return float((values**2).mean() ** 0.5)


@lru_cache(maxsize=1)
def still_stack() -> Stack:
    """Return 16 frames of 128 x 128 of the camera man by a hand-held camera, without air."""
    draw = torch.Generator().manual_seed(5)
    shifts = 0.7 * torch.randn((16, 2, 1, 1), generator=draw)
    scene = 0.9 * camera_scene()[100:240, 180:320]
    seen = warp(scene.expand(16, -1, -1), shifts.expand(-1, -1, 140, 140))[:, 6:-6, 6:-6]
    noise = torch.randn(seen.shape, generator=draw) * (4e-4 * seen.clamp(min=0) + 2e-6).sqrt()
    dn = (256 + 3839 * (seen + noise)).round().clamp(0, 4095)
    return Stack(dn.numpy().astype(np.uint16), Sensor(black_level=256, white_level=4095))


def still_scene() -> torch.Tensor:
    """Return the scene [128, 128] of `still_stack`, linear."""
    return 0.9 * camera_scene()[106:234, 186:314]


def through(stage: str, stack: Stack) -> Burst:
    """Return what a stage of the default pipeline is given of a stack."""
    return load("turbulence").before(stage).run(Burst(stack))


@lru_cache(maxsize=8)
def planet_stack(**values: float) -> PlanetStack:
    """Return 24 frames of 96 x 144 of a planet of radius 22 px, with values of `Planet`."""
    planet = Planet(**{"radius": 22.0, "seconds": 20.0, **values})
    draw = torch.Generator().manual_seed(2)
    return simulate_planet(planet, SEEING, draw, 24, (96, 144))
