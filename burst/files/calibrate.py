"""Calibrate frames by darks and flats: what the sensor adds without light, and how unevenly optics
and pixels pass it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from burst.files.check import MAXIMUM_DN
from burst.mapped import each_frame, forget_now_and_then, room_for_frames
from burst.records import Sensor, Stack, StackError

ROBUST = 5  # frames, from which on the least and the largest value of a pixel are left out
FEW, BRIGHTER, CLIPPED = 8, 0.75, 0.01  # frames; shares of the pixels, chosen by hand
LEAST_FLAT = 0.05  # of its mean; darker pixels of a flat are no measure and stay as they are
STEPS = 16  # at most, in which one DN is kept: differences from a dark are no whole numbers


@dataclass(frozen=True)
class Master:
    """The mean of calibration frames [h, w] DN, that of any colours [h, w, 3], and the sensor."""

    where: str
    mean: np.ndarray
    colour: np.ndarray | None
    sensor: Sensor


def mean_of(frames: np.ndarray) -> np.ndarray:
    """Return the mean over frames [n, ...]; of five or more without the least and the largest."""
    total = np.zeros(frames.shape[1:])
    least = np.full(frames.shape[1:], np.inf)
    most = -least
    for frame in each_frame(frames):
        total += frame
        np.minimum(least, frame, out=least)
        np.maximum(most, frame, out=most)
    if len(frames) < ROBUST:
        return np.asarray(total / len(frames))
    return np.asarray((total - least - most) / (len(frames) - 2))


def calibrated(stack: Stack, dark: Master | None, flat: Master | None) -> Stack:
    """Return the stack with the dark subtracted and divided by the flat, in finer DN; saturated
    values stay saturated. StackError where sizes differ."""
    for master in (dark, flat):
        if master is not None and master.mean.shape != stack.frames.shape[1:]:
            raise StackError(
                f"{master.where}: expected frames of {stack.height} x {stack.width} like those of"
                f" {stack.source or stack.name}, found {' x '.join(map(str, master.mean.shape))}."
                " Record darks and flats with the camera's same settings, and do not crop them."
            )
    sensor = stack.sensor
    steps = max(1, min(STEPS, MAXIMUM_DN // int(np.ceil(sensor.white_level))))
    own = _black(sensor, stack.frames.shape[1:])
    level = float(own.mean() if dark is None else np.median(dark.mean))
    offset = own if dark is None else dark.mean
    gain = np.ones_like(offset) if flat is None else _gain(flat, flat.mean, sensor.cfa)
    frames = _applied(stack.frames, offset, gain, level, sensor.white_level, steps)
    colour = stack.colour
    if colour is not None:
        shape = colour.shape[1:]
        offset = own[..., None] if dark is None or dark.colour is None else dark.colour
        if flat is None or flat.colour is None:
            gains = np.broadcast_to(gain[..., None], shape)
        else:
            gains = np.stack([_gain(flat, flat.colour[..., c], "mono") for c in range(3)], axis=-1)
        offset = np.broadcast_to(offset, shape)
        colour = _applied(colour, offset, gains, level, sensor.white_level, steps)
    sensor = replace(
        sensor,
        black_level=level * steps,
        white_level=sensor.white_level * steps,
        black_assumed=False,
    )
    return replace(stack, frames=frames, colour=colour, sensor=sensor)


def is_brighter(dark: np.ndarray, stack: Stack) -> bool:
    """Return whether most pixels of a dark [h, w] are brighter than in the frames: of a stack that
    shows nothing, half of them are by noise."""
    return float(np.mean(dark > mean_of(stack.frames[:FEW]))) > BRIGHTER


def is_clipped(flat: np.ndarray) -> bool:
    """Return whether many pixels of a flat [h, w] have the same largest value, but not all."""
    return CLIPPED < float(np.mean(flat >= flat.max())) < 1


def _gain(flat: Master, mean: np.ndarray, cfa: str) -> np.ndarray:
    """Return by what the light of pixels [h, w] is divided; 1 on average at each site's colour."""
    light = mean - _black(flat.sensor, mean.shape)
    step = 1 if cfa == "mono" else 2
    gain = np.ones_like(light)
    for y in range(step):
        for x in range(step):
            site = light[y::step, x::step]
            if not site.mean() > 0:
                raise StackError(
                    f"{flat.where}: expected frames of an even bright surface, found no light above"
                    " its black level. Pass flats, or --black-level."
                )
            share = site / site.mean()
            gain[y::step, x::step] = np.where(share > LEAST_FLAT, share, 1.0)
    return np.asarray(gain)


def _black(sensor: Sensor, shape: tuple[int, ...]) -> np.ndarray:
    """Return the black level of every pixel [h, w]."""
    blacks = np.resize(np.asarray(sensor.black_levels, np.float64), 4).reshape(2, 2)
    rows, columns = (np.arange(side) % 2 for side in shape[:2])
    return np.asarray(blacks[np.ix_(rows, columns)])


def _applied(
    frames: np.ndarray, offset: np.ndarray, gain: np.ndarray, level: float, white: float, steps: int
) -> np.ndarray:
    made = room_for_frames(frames.shape)
    for number, frame in enumerate(each_frame(frames)):
        light = (frame - offset) / gain + level
        light[frame >= white] = white
        made[number] = np.rint(np.clip(light, 0, white) * steps)
        forget_now_and_then(made, number)
    return made
