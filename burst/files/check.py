"""Check that a stack can be restored; each error includes its remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from burst.mapped import each_frame
from burst.records import Sensor, StackError

MINIMUM_SIDE = 16
SATURATED_FRACTION = 0.99
MAXIMUM_DN = 65535

_LONGEST_REASON = 200


@contextmanager
def explained(where: object, expected: str, advice: str) -> Iterator[None]:
    """Turn whatever a file library raises into a StackError with this advice."""
    try:
        yield
    except StackError:
        raise
    except PermissionError as error:
        raise StackError(
            f"{where}: expected {expected}, found '{error.strerror}'."
            " Check who owns the file and its permissions."
        ) from error
    except Exception as error:
        # Parsers of damaged files raise anything, from SyntaxError to MemoryError.
        reason = f"'{_reason(error)}'"
        raise StackError(f"{where}: expected {expected}, found {reason}. {advice}") from error


def _reason(error: Exception) -> str:
    """Return the message of a library in one short line; LibRaw gives bytes."""
    text = getattr(error, "strerror", None) or str(error)
    if error.args and isinstance(error.args[0], bytes):
        text = error.args[0].decode("utf-8", "replace")
    return (" ".join(text.split()) or type(error).__name__)[:_LONGEST_REASON].rstrip(".")


@contextmanager
def naming(where: object) -> Iterator[None]:
    """Put the path before the message of a StackError from a record, which knows no files."""
    try:
        yield
    except StackError as error:
        raise StackError(f"{where}: {error}") from error


def check_shape(where: str, shape: tuple[int, ...]) -> None:
    """Raise StackError unless a shape is (n, h, w) with enough pixels."""
    if len(shape) != 3:
        raise StackError(
            f"{where}: expected three axes (n, h, w), found {len(shape)} of shape {shape}."
            " Pass a stack of grey or raw mosaic frames."
        )
    if min(shape[1:]) < MINIMUM_SIDE:
        raise StackError(
            f"{where}: expected frames of at least {MINIMUM_SIDE} x {MINIMUM_SIDE} pixels, found"
            f" {shape[1]} x {shape[2]}. Pass larger frames, or --axis if the axes are mixed up."
        )


def check_count(where: str, count: int, sensor: Sensor) -> None:
    """Raise StackError if there are fewer frames than the shutter needs."""
    if count < sensor.fewest_frames:
        raise StackError(
            f"{where}: expected at least {sensor.fewest_frames} frames, found {count}. Pass the"
            " whole burst; of single files, pass the folder that holds them."
        )


def mean_step(frame: np.ndarray) -> float:
    """Return the mean step along a row; it is large where numbers are decoded wrongly."""
    return float(np.abs(np.diff(frame.astype(np.float32), axis=1)).mean())


def check_levels(where: str, frames: np.ndarray, sensor: Sensor) -> None:
    """Raise StackError if frames [n, h, w] exceed the white level, or are all black or all white.
    Frames are read once, one by one, so that a mapped file is never in memory as a whole."""
    maximum, saturated, signal = 0, 0, False
    # A whole number keeps the comparison in uint16; a float would widen every pixel.
    white = math.ceil(sensor.white_level)
    for frame in each_frame(frames):
        brightest = int(frame.max())
        maximum = max(maximum, brightest)
        saturated += int(np.count_nonzero(frame >= white)) if brightest >= white else 0
        signal = signal or _rises_above(frame, sensor.black_levels)
    if maximum > sensor.white_level:
        raise StackError(_too_bright(where, maximum, sensor.white_level))
    if not signal:
        black = ", ".join(f"{level:g}" for level in sensor.black_levels)
        raise StackError(
            f"{where}: expected light above the black level {black}, found at most {maximum}."
            " Pass the right --black-level, or a stack that was exposed."
        )
    if saturated > SATURATED_FRACTION * frames.size:
        raise StackError(
            f"{where}: expected detail below the white level {sensor.white_level:g}, found"
            f" {saturated / frames.size:.1%} of all pixels saturated."
            " Pass a higher --white-level, or a stack with a shorter exposure."
        )


def _rises_above(frame: np.ndarray, blacks: tuple[float, ...]) -> bool:
    if len(blacks) == 1:
        return bool(frame.max() > blacks[0])
    sites = (frame[y::2, x::2] for y in (0, 1) for x in (0, 1))
    return any(bool(site.max() > black) for site, black in zip(sites, blacks, strict=True))


def _too_bright(where: str, maximum: int, white_level: float) -> str:
    bits = (int(white_level) + 1).bit_length() - 1
    kind = f"{bits}-bit " if white_level == 2**bits - 1 else ""
    return (
        f"{where}: expected {kind}raw values 0..{white_level:g}, found a maximum of {maximum}."
        f" Pass --white-level {2 ** maximum.bit_length() - 1}."
    )
