"""Faults that happen while a stack is recorded: frames in DN in, faulty frames in DN out.

Every fault is a pure function of frames and a generator of random numbers; `FAULTS` lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from burst.records import Sensor

# Chosen by hand.
SHARE = 0.1  # of the frames that a fault of single frames affects
FLICKER = 0.3  # standard deviation of brightness
DUSK = 0.4  # brightness of the last frame against the first's
STOPS = (0, 1, 2)  # EV by which the frames of a bracket are darker, in turn
FLASH = 3.0  # times as bright
TORN_BY = 0.15  # of the width


@dataclass(frozen=True)
class FaultyFrames:
    """Frames [n, h, w] in DN, and which of them [k] should not be used as they are."""

    frames: np.ndarray
    bad: np.ndarray


Light = Any  # array [..., h, w], linear: black 0 and white 1
FrameFault = Callable[[Light, Light, np.random.Generator], Light]  # a frame, the good one before
StackFault = Callable[[Light, np.random.Generator], Light]


def apply_fault(
    name: str, frames: np.ndarray, sensor: Sensor, seed: int = 0, share: float = SHARE
) -> FaultyFrames:
    """Return frames [n, h, w] in DN with the fault of a name, one of `FAULTS`. Faults of single
    frames affect a share of the frames, at least one. `bad` is empty for faults of the whole
    stack."""
    generator = np.random.default_rng(seed)
    light = (frames.astype(np.float32) - sensor.black) / (sensor.white_level - sensor.black)
    if name in STACK_FAULTS:
        spoilt = _to_dn(STACK_FAULTS[name](light, generator), sensor)
        return FaultyFrames(spoilt, np.empty(0, int))
    count = 1 if name == "brighter" else max(1, round(share * len(frames)))
    # The first frame stays good: a copy needs one before it.
    bad = np.sort(generator.choice(np.arange(1, len(frames)), count, replace=False))
    spoilt = frames.copy()
    good = np.setdiff1d(np.arange(len(frames)), bad)
    for i in bad:
        before = light[good[good < i][-1]]
        spoilt[i] = _to_dn(FRAME_FAULTS[name](light[i], before, generator), sensor)
    return FaultyFrames(spoilt, bad)


def _to_dn(light: Light, sensor: Sensor) -> np.ndarray:
    dn = sensor.black + light * (sensor.white_level - sensor.black)
    return np.asarray(np.rint(dn).clip(0, sensor.white_level).astype(np.uint16))


def _another_scene(frame: Light, before: Light, generator: np.random.Generator) -> Light:
    """As bright and as noisy as the scene, with other random blots."""
    shape = frame.shape
    picture = np.zeros(shape)
    for size in (2, 4, 8, 16):
        blots = ndimage.gaussian_filter(generator.normal(size=shape), size, mode="wrap")
        picture += np.sign(blots) * generator.uniform(0.5, 1)
    picture = ndimage.gaussian_filter(picture, 0.7)
    other = (picture - picture.mean()) / picture.std() * frame.std() + frame.mean()
    return other + generator.normal(0, _noise(frame), shape)


def _partly_doubled(frame: Light, before: Light, generator: np.random.Generator) -> Light:
    """The upper rows repeat the frame before."""
    row = _somewhere(frame, generator)
    return np.concatenate([before[:row], frame[row:]])


def _torn(frame: Light, before: Light, generator: np.random.Generator) -> Light:
    """The lower rows are shifted sideways and come from the frame before."""
    row, by = _somewhere(frame, generator), max(4, round(TORN_BY * frame.shape[1]))
    return np.concatenate([frame[:row], np.roll(before[row:], by, axis=1)])


def _half_read(frame: Light, before: Light, generator: np.random.Generator) -> Light:
    """The lower rows were never read."""
    read = frame.copy()
    read[_somewhere(frame, generator) :] = 0
    return read


def _bird(frame: Light, before: Light, generator: np.random.Generator) -> Light:
    """A dark object, a sixth of the frame long, in front of the scene."""
    h, w = frame.shape
    y, x = np.mgrid[:h, :w]
    at = generator.uniform(0.25, 0.75, 2) * (h, w)
    body = ((y - at[0]) / (0.04 * h)) ** 2 + ((x - at[1]) / (0.09 * w)) ** 2 < 1
    wings = ((y - at[0]) / (0.09 * h)) ** 2 + ((x - at[1]) / (0.025 * w)) ** 2 < 1
    return np.where(body | wings, 0.05 * frame, frame)


def _exposed(light: Light, gains: np.ndarray) -> Light:
    return light * gains[:, None, None]


def _somewhere(frame: Light, generator: np.random.Generator) -> int:
    """Return a row in the middle half of a frame."""
    h = frame.shape[0]
    return int(generator.integers(h // 4, 3 * h // 4))


def _noise(frame: Light) -> float:
    """Return the standard deviation of the noise of a frame [h, w]."""
    return float(np.median(np.abs(np.diff(frame, axis=1)))) / 0.6745 / 2**0.5


FRAME_FAULTS: dict[str, FrameFault] = {
    "dark": lambda frame, _, generator: generator.normal(0, _noise(frame) / 2, frame.shape),
    "white": lambda frame, *_: np.ones_like(frame),
    "another_scene": _another_scene,
    "mirrored": lambda frame, *_: frame[:, ::-1],
    "upside_down": lambda frame, *_: frame[::-1, ::-1],
    "brighter": lambda frame, *_: 2 * frame,
    "flash": lambda frame, *_: FLASH * frame + 0.1,
    "doubled": lambda _, before, generator: before,
    "partly_doubled": _partly_doubled,
    "torn": _torn,
    "half_read": _half_read,
    "bird": _bird,
}
STACK_FAULTS: dict[str, StackFault] = {
    "flicker": lambda light, generator: _exposed(
        light, (1 + FLICKER * generator.normal(size=len(light))).clip(0.25, 2)
    ),
    "twilight": lambda light, _: _exposed(light, np.geomspace(1, DUSK, len(light))),
    "bracket": lambda light, _: _exposed(light, 0.5 ** np.resize(STOPS, len(light))),
    "identical": lambda light, _: np.repeat(light[len(light) // 2][None], len(light), 0),
}
FAULTS = (*FRAME_FAULTS, *STACK_FAULTS)
