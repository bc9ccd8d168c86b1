"""Read a video through OpenCV: display-encoded frames of 8 bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burst.files.check import explained
from burst.files.gray import frame_luminance, note_luminance
from burst.files.quiet import quiet_opencv
from burst.records import Sensor, StackError

if TYPE_CHECKING:
    import cv2

Keep = Callable[[np.ndarray], np.ndarray]

_ADVICE = "Convert it to H.264 .mp4, or to a folder of PNG frames."


def read_video(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] uint8 and a display-encoded sensor with the video's frame time."""
    frames, sensor = decode_video(path, frame_luminance)
    note_luminance(path)
    return frames, sensor


def decode_video(path: Path, keep: Keep, count: int | None = None) -> tuple[np.ndarray, Sensor]:
    """Return what is kept of the first `count` frames, or of all, and their sensor.

    `keep` is given each frame [h, w, 3] uint8, blue first.
    """
    import cv2

    quiet_opencv()
    with explained(path, "a video", _ADVICE):
        path.open("rb").close()
        capture = cv2.VideoCapture(str(path))
        try:
            rate = capture.get(cv2.CAP_PROP_FPS)
            frames = _decode(capture, keep, count)
        finally:
            capture.release()
    if not frames:
        raise StackError(f"{path}: expected a video, found no frame in it. {_ADVICE}")
    sensor = Sensor(white_level=255, transfer="srgb")
    if math.isfinite(rate) and rate > 0:
        sensor = Sensor(white_level=255, transfer="srgb", frame_time=1 / rate)
    return np.stack(frames), sensor


def _decode(capture: cv2.VideoCapture, keep: Keep, count: int | None) -> list[np.ndarray]:
    frames: list[np.ndarray] = []
    while count is None or len(frames) < count:
        there, frame = capture.read()
        if not there:
            break
        frames.append(keep(np.asarray(frame)))
    return frames
