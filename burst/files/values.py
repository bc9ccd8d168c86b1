"""Convert numbers of any type to DN: 16 bits, with the levels scaled alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from burst.files.check import MAXIMUM_DN, mean_step
from burst.log import LOG
from burst.mapped import each_frame, forget_now_and_then, room_for_frames
from burst.records import Sensor, StackError

_FEWEST_EMPTY_BITS = 2  # a single unused bit may be chance in a small dark frame
_SURELY_EMPTY_BITS, _MOST_EMPTY_BITS = 4, 8
MOST_COPIED = 256_000_000  # values of 8 bits that are copied to 16; of more the copy takes long
_ROUNDING = 1e-6  # by which rounding in half or single precision may exceed a maximum of 1


def assumed_sensor(frames: np.ndarray) -> Sensor:
    """Return the sensor that the numbers [n, ...] indicate, in their own unit. The white level is
    255 for 8 bits, 1 for fractions within 0..1, the largest value for bits that are aligned to the
    upper end of 16; else 12 bits, the default of `Sensor`."""
    kind, size = frames.dtype.kind, frames.dtype.itemsize
    if kind in "ui" and size == 1:
        return Sensor(white_level=255 if kind == "u" else 127)
    if kind == "f" and frames.size and _are_fractions(frames):
        return Sensor(white_level=1.0)
    white = aligned_white(frames) if kind in "ui" else None
    return Sensor() if white is None else Sensor(white_level=white)


def aligned_white(frames: np.ndarray) -> float | None:
    """Return the white level of values [n, ...] whose lowest 2 to 8 of 16 bits are never used.
    Cameras store 8 to 14 bits so. None for all others and for values within 12 bits."""
    used = 0
    for frame in each_frame(frames):
        used |= int(np.bitwise_or.reduce(frame, axis=None)) if frame.size else 0
        if used & (2**_FEWEST_EMPTY_BITS - 1):
            return None
    if not Sensor.white_level < used <= MAXIMUM_DN:
        return None
    unused = (used & -used).bit_length() - 1
    # Converters have 8, 10, 12 or 14 bits: one more unused bit is chance.
    empty = min(unused // 2 * 2, _MOST_EMPTY_BITS)
    # 12 bits may also be aligned in 14; only a used top bit shows that they are aligned in 16.
    sure = empty >= _SURELY_EMPTY_BITS or used > MAXIMUM_DN // 2
    return float(MAXIMUM_DN >> empty << empty) if sure else None


def white_of_colours(frames: np.ndarray) -> float | None:
    """Return the white level of colours in 16 bits by their luminance [n, h, w]: programs that
    write colours use all bits. None for all others and for values within 12 bits."""
    if frames.dtype != np.uint16 or frames.max(initial=0) <= Sensor.white_level:
        return None
    return float(MAXIMUM_DN)


def to_dn(where: str, frames: np.ndarray, sensor: Sensor) -> tuple[np.ndarray, Sensor]:
    """Return finite frames [n, h, w] as uint16 DN, and the sensor with its levels in the same DN.

    Whole numbers of at most 16 bits are unchanged. Fractions, and numbers beyond 16 bits, are
    scaled so that white becomes 65535; negative numbers are raised, and the black level with them.
    StackError for other types and values that do not fit the levels.
    """
    if frames.dtype == np.uint16 or _stays_mapped(frames):
        return frames, sensor
    frames = _as_unsigned(where, _checked_type(where, frames))
    span = _value_range(frames)
    _check_range(where, span, sensor)
    offset = _offset(span)
    white = sensor.white_level + offset
    scaled = not span.whole or max(white, span.high + offset) > MAXIMUM_DN
    if scaled and span.high > sensor.white_level * (1 + _ROUNDING):
        raise StackError(
            f"{where}: expected values up to the white level {sensor.white_level:.9g}, found a"
            f" maximum of {span.high:.9g}. Pass --white-level with the value at saturation,"
            f" {_sufficient_white(span.high):.9g} if you do not know it."
        )
    scale = MAXIMUM_DN / white if scaled else 1.0
    if offset or scaled:
        LOG.info(
            "%s: values from %g to %g become DN: raised by %g and multiplied by %g.",
            where, span.low, span.high, offset, scale,
        )  # fmt: skip
    return _converted(frames, offset, scale), _with_levels(sensor, offset, scale)


def _stays_mapped(frames: np.ndarray) -> bool:
    """Return whether frames of 8 bits stay in their file: they are many, and mapped from it."""
    mapped = isinstance(frames, np.memmap)
    return mapped and frames.dtype == np.uint8 and frames.size > MOST_COPIED


def colours_to_dn(colours: np.ndarray, stated: Sensor, sensor: Sensor) -> np.ndarray:
    """Return colours [n, h, w, 3] in the DN of `sensor`, as `to_dn` changed the frames, whose
    levels were those of `stated` before; in 8 or 16 bits."""
    same = (stated.black_levels, stated.white_level) == (sensor.black_levels, sensor.white_level)
    if same and colours.dtype in (np.uint8, np.uint16):
        return colours
    before, after = stated.white_level - stated.black, sensor.white_level - sensor.black
    scale = after / before
    return _converted(np.nan_to_num(colours), sensor.black / scale - stated.black, scale)


@dataclass(frozen=True)
class _ValueRange:
    """The lowest and the highest value, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool


def _checked_type(where: str, frames: np.ndarray) -> np.ndarray:
    if frames.dtype.kind == "b":
        raise StackError(
            f"{where}: expected numbers of light, found true and false. Of frames that count single"
            " photons, save sums over groups of frames as uint16."
        )
    if frames.dtype.kind not in "uif":
        raise StackError(
            f"{where}: expected real numbers, found values of type {frames.dtype}."
            " Save the frames as uint16."
        )
    return frames


def _as_unsigned(where: str, frames: np.ndarray) -> np.ndarray:
    """Return 16-bit numbers as unsigned if they were stored as signed by mistake. As signed
    numbers, neighbours on both sides of 32767 are then 65536 apart instead of similar."""
    if frames.dtype.kind != "i" or frames.dtype.itemsize != 2 or not frames.size:
        return frames
    signed = next((frame for frame in frames if frame.min() < 0), None)
    unsigned_type = frames.dtype.str.replace("i", "u")
    if signed is None or 2 * mean_step(signed.view(unsigned_type)) > mean_step(signed):
        return frames
    LOG.warning("%s: its signed values are smooth as unsigned ones and read so.", where)
    return frames.view(unsigned_type)


def _value_range(frames: np.ndarray) -> _ValueRange:
    low, high, whole = math.inf, -math.inf, True
    for frame in each_frame(frames):
        if frame.dtype.kind == "f":
            whole = whole and bool((frame == np.rint(frame)).all())
        low, high = min(low, float(frame.min())), max(high, float(frame.max()))
    return _ValueRange(low, high, whole)


def _check_range(where: str, span: _ValueRange, sensor: Sensor) -> None:
    if span.low < 0 and -span.low > span.high:
        raise StackError(
            f"{where}: expected light above 0, found values from {span.low:g} to {span.high:g}."
            " Unsigned numbers may have been saved as signed: add what is missing and save the"
            " frames as uint16."
        )
    if not span.whole and span.high <= 1 < sensor.white_level:
        raise StackError(
            f"{where}: expected values up to the white level {sensor.white_level:g}, found"
            f" fractions of at most {span.high:g}. Pass --white-level 1, and --black-level in"
            " the same unit."
        )


def _offset(span: _ValueRange) -> float:
    """Return what makes the lowest value 0, if it is negative; else 0."""
    if span.low >= 0:
        return 0.0
    return -span.low if not span.whole else float(math.ceil(-span.low))


def _converted(frames: np.ndarray, offset: float, scale: float) -> np.ndarray:
    dn = room_for_frames(frames.shape)
    for index, frame in enumerate(each_frame(frames)):
        if offset or scale != 1:
            raised = (frame.astype(np.float64) + offset) * scale
            dn[index] = np.clip(np.rint(raised), 0, MAXIMUM_DN)
        else:
            dn[index] = frame
        forget_now_and_then(dn, index)
    return dn


def _with_levels(sensor: Sensor, offset: float, scale: float) -> Sensor:
    if not offset and scale == 1:
        return sensor
    black: Any = tuple((level + offset) * scale for level in sensor.black_levels)
    return replace(
        sensor,
        black_level=black if len(black) > 1 else black[0],
        white_level=(sensor.white_level + offset) * scale,
    )


def _are_fractions(frames: np.ndarray) -> bool:
    """Return whether the values are fractions of white: none above 1, and not all whole."""
    high = max(
        float(np.max(frame, initial=-math.inf, where=np.isfinite(frame)))
        for frame in each_frame(frames)
    )
    if not high <= 1 + _ROUNDING:
        return False
    return any(bool((np.isfinite(frame) & (frame != np.rint(frame))).any()) for frame in frames)


def _sufficient_white(high: float) -> float:
    """Return a white level above a maximum: all bits of whole numbers, or rounded up."""
    return float(2 ** math.ceil(math.log2(high + 1)) - 1) if high > 4 else math.ceil(high * 10) / 10
