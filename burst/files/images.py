"""Read single images and folders of PNG, JPEG or PGM frames, through OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.check import MAXIMUM_DN, explained
from burst.files.consistency import check_same_format, warn_orientations
from burst.files.exif import read_exif
from burst.files.luminance import frame_luminance, warn_luminance
from burst.files.png import significant_bits
from burst.files.pnm import read_pnm
from burst.files.quiet import quiet_opencv
from burst.files.tiff import read_page
from burst.files.times import with_times
from burst.files.values import aligned_white, white_of_colours
from burst.lazy import cv2
from burst.mapped import forget_now_and_then, room_for_frames
from burst.records import Sensor, StackError

PNM_SUFFIXES = (".pgm", ".ppm", ".pnm")

_ADVICE = "Save it again as an 8- or 16-bit grey PNG."
_DISPLAY_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def read_images(paths: Sequence[Path]) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of the files' own type, in the order given, and their sensor. Frames
    of 8 bits from a display format are taken as display-encoded, all others as linear. Frames are
    not rotated: the sensor holds their orientation."""
    first, in_color = _decode(paths[0])
    if in_color:
        warn_luminance(paths[0].parent)
    frames = room_for_frames((len(paths), *first.shape), first.dtype)
    for index, path in enumerate(paths):
        frame = _decode(path)[0] if index else first
        check_same_format(path, frame, first)
        frames[index] = frame
        forget_now_and_then(frames, index)
    sensor = sensor_of(frames.dtype, paths[0].suffix)
    white = white_of(paths[0], frames) or (white_of_colours(frames) if in_color else None)
    sensor = sensor if white is None else replace(sensor, white_level=white)
    return frames, with_exif(paths, sensor)


def with_exif(paths: Sequence[Path], sensor: Sensor) -> Sensor:
    """Return a sensor with the orientation, exposure and times from the EXIF tags of the frames."""
    shots = [read_exif(path) for path in paths]
    warn_orientations(paths[0].parent, [shot.orientation for shot in shots])
    sensor = replace(
        sensor,
        orientation=shots[0].orientation,
        exposure_time=shots[0].exposure_time or sensor.exposure_time,
        iso=shots[0].iso or sensor.iso,
    )
    return with_times(paths[0].parent, sensor, [shot.taken for shot in shots])


def white_of(path: Path, frames: np.ndarray) -> float | None:
    """Return the white level that a file or its values [n, h, w] indicate, if any."""
    if path.suffix.lower() in PNM_SUFFIXES and (white := read_pnm(path)[1]) < MAXIMUM_DN:
        return float(white)
    if frames.dtype == np.uint8:
        return None
    bits = significant_bits(path.read_bytes()) if path.suffix.lower() == ".png" else None
    if bits is not None and bits < 16:
        # Conforming writers align the bits to the upper end, others to the lower.
        lower = frames.max(initial=0) < 2**bits
        return float(2**bits - 1) if lower else aligned_white(frames) or float(MAXIMUM_DN)
    return aligned_white(frames)


def sensor_of(dtype: np.dtype[Any], suffix: str) -> Sensor:
    """Return the sensor that pixel type and file type indicate."""
    if dtype != np.uint8:
        return Sensor()
    display = suffix.lower() in _DISPLAY_SUFFIXES
    return Sensor(white_level=255, transfer="srgb" if display else "linear")


def decode_image(path: Path) -> np.ndarray:
    """Return pixels [h, w], [h, w, 3] or [h, w, 4] (blue first); StackError if unreadable."""
    if path.suffix.lower() in (".tif", ".tiff"):
        return read_page(path)
    if path.suffix.lower() in PNM_SUFFIXES:
        return read_pnm(path)[0]
    quiet_opencv()
    with explained(path, "an image", _ADVICE):
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
        # UNCHANGED also ignores the orientation of EXIF.
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
        if image is None:
            raise StackError(f"{path}: expected an image, found data that is none. {_ADVICE}")
        return np.asarray(image)


def _decode(path: Path) -> tuple[np.ndarray, bool]:
    """Return the luminance [h, w] as stored, and whether the image was in colour."""
    pixels = decode_image(path)
    with explained(path, "an image", _ADVICE):
        return frame_luminance(pixels), pixels.ndim == 3
