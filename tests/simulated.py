"""Small simulated stacks that several tests share; each is made once and must not be changed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from burst.data.levels import find_level
from burst.data.turbulence import SimulatedStack, Truth, simulate
from burst.ops.noise import to_linear
from burst.ops.warp import compose
from burst.pipeline import load
from burst.records import Burst
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
