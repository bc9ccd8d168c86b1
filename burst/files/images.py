"""Read a folder of PNG, JPEG or TIFF frames, and single images, through OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.check import explained
from burst.files.gray import frame_luminance, note_luminance
from burst.files.quiet import quiet_opencv
from burst.records import Sensor, StackError

_ADVICE = "Save it again as an 8- or 16-bit grey PNG."
_DISPLAY_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def read_images(paths: Sequence[Path]) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of the files' own type, in the order given.

    Frames of 8 bits from a format for viewing are taken as display-encoded, all others as linear.
    """
    first, in_color = _decode(paths[0])
    if in_color:
        note_luminance(paths[0].parent)
    frames = np.empty((len(paths), *first.shape), first.dtype)
    for index, path in enumerate(paths):
        frame = _decode(path)[0] if index else first
        check_alike(path, frame, first)
        frames[index] = frame
    return frames, sensor_of(frames.dtype, paths[0].suffix)


def sensor_of(dtype: np.dtype[Any], suffix: str) -> Sensor:
    """Return what the type of pixels and of file say of the sensor."""
    if dtype != np.uint8:
        return Sensor()
    display = suffix.lower() in _DISPLAY_SUFFIXES
    return Sensor(white_level=255, transfer="srgb" if display else "linear")


def check_alike(path: Path, frame: np.ndarray, like: np.ndarray) -> None:
    """Raise StackError unless a frame has the size and type of the first one."""
    if frame.shape != like.shape or frame.dtype != like.dtype:
        raise StackError(
            f"{path}: expected a frame like the first, {_describe(like)}, found"
            f" {_describe(frame)}. Remove it, or crop all frames alike."
        )


def decode_image(path: Path) -> np.ndarray:
    """Return pixels [h, w], [h, w, 3] or [h, w, 4] (blue first); StackError if there are none."""
    import cv2

    quiet_opencv()
    with explained(path, "an image", _ADVICE):
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
        if image is None:
            raise StackError(f"{path}: expected an image, found data that is none. {_ADVICE}")
        return np.asarray(image)


def _decode(path: Path) -> tuple[np.ndarray, bool]:
    """Return the grey pixels [h, w] as they are stored, and whether they were in colour."""
    pixels = decode_image(path)
    with explained(path, "an image", _ADVICE):
        return frame_luminance(pixels), pixels.ndim == 3


def _describe(frame: np.ndarray) -> str:
    return f"{' x '.join(map(str, frame.shape))} of {frame.dtype}"
