"""Turn colour frames into luminance."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from burst.files.check import explained
from burst.lazy import cv2
from burst.mapped import each_frame, forget_now_and_then, room_for_frames

_log = logging.getLogger("burst")
_GIVEN_UP: ContextVar[list[Path] | None] = ContextVar("given_up", default=None)


def to_luminance(path: Path, frames: np.ndarray) -> np.ndarray:
    """Return frames [n, h, w] of the same type from colour frames [n, h, w, 3], blue first."""
    warn_luminance(path)
    gray = room_for_frames(frames.shape[:3], frames.dtype.newbyteorder("="))
    with explained(path, "colour of 8 or 16 bits", "Save the frames as grey uint16."):
        for index, frame in enumerate(each_frame(frames)):
            gray[index] = frame_luminance(frame.astype(gray.dtype))
            forget_now_and_then(gray, index)
    return gray


def frame_luminance(frame: np.ndarray) -> np.ndarray:
    """Return one frame [h, w] from a frame [h, w], [h, w, 3] or [h, w, 4], blue first."""
    if frame.ndim == 2:
        return frame
    code = cv2.COLOR_BGRA2GRAY if frame.shape[-1] == 4 else cv2.COLOR_BGR2GRAY
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), code))


def warn_luminance(path: Path) -> None:
    """Tell that colour was given up; within `luminance_for_now` nothing is told yet."""
    given_up = _GIVEN_UP.get()
    if given_up is None:
        _log.warning("%s: colour frames are turned into luminance.", path)
    else:
        given_up.append(path)


@contextmanager
def luminance_for_now() -> Iterator[list[Path]]:
    """Collect what is turned into luminance meanwhile: its colours may be read afterwards."""
    given_up: list[Path] = []
    token = _GIVEN_UP.set(given_up)
    try:
        yield given_up
    finally:
        _GIVEN_UP.reset(token)
