"""Turn colour frames into luminance, and keep their colours where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from burst.files.check import explained
from burst.lazy import cv2
from burst.log import LOG
from burst.mapped import FrameList, each_frame, forget_now_and_then, room_for_frames


class Colours:
    """The colours of frames that are turned into luminance meanwhile, and where that was done."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.places: list[Path] = []
        self.whole: np.ndarray | None = None
        self.single = FrameList()

    def add(self, frames: np.ndarray) -> None:
        """Keep frames [n, h, w, 3 or 4], blue first; later ones as copies."""
        if not self.wanted:
            return
        frames = frames[..., 2::-1]
        if self.whole is None and not len(self.single):
            self.whole = frames
            return
        for each in [*(() if self.whole is None else self.whole), *frames]:
            self.single.append(np.ascontiguousarray(each))
        self.whole = None

    def start_again(self) -> None:
        """Forget all colours: the frames are read once more."""
        self.whole, self.single = None, FrameList()

    def of(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the colours [n, h, w, 3] of frames (n, h, w); None for others, or all grey."""
        found = self.single.array() if len(self.single) else self.whole
        if found is None or found.shape != (*shape, 3):
            return None
        if not all((each == each[..., :1]).all() for each in found):
            return found
        self.places.clear()  # nothing is lost
        return None


_COLOURS: ContextVar[Colours | None] = ContextVar("colours", default=None)


def to_luminance(path: Path, frames: np.ndarray) -> np.ndarray:
    """Return frames [n, h, w] of the same type from colour frames [n, h, w, 3], blue first."""
    warn_luminance(path)
    _keep(frames)
    gray = room_for_frames(frames.shape[:3], frames.dtype.newbyteorder("="))
    with explained(path, "colour of 8 or 16 bits", "Save the frames as grey uint16."):
        for index, frame in enumerate(each_frame(frames)):
            gray[index] = _luminance(frame.astype(gray.dtype))
            forget_now_and_then(gray, index)
    return gray


def frame_luminance(frame: np.ndarray) -> np.ndarray:
    """Return one frame [h, w] from a frame [h, w], [h, w, 3] or [h, w, 4], blue first."""
    if frame.ndim == 2:
        return frame
    _keep(frame[None])
    return _luminance(frame)


def warn_luminance(path: Path) -> None:
    """Tell that colour was given up; within `keeping_colours` nothing is told yet."""
    colours = _COLOURS.get()
    if colours is None:
        LOG.warning("%s: colour frames are turned into luminance.", path)
    else:
        colours.places.append(path)


@contextmanager
def keeping_colours(wanted: bool) -> Iterator[Colours]:
    """Collect the colours of what is turned into luminance meanwhile, if `wanted`, and where."""
    colours = Colours(wanted)
    token = _COLOURS.set(colours)
    try:
        yield colours
    finally:
        _COLOURS.reset(token)


def read_again() -> None:
    """Forget the colours of frames that are read once more."""
    if colours := _COLOURS.get():
        colours.start_again()


def _keep(frames: np.ndarray) -> None:
    if colours := _COLOURS.get():
        colours.add(frames)


def _luminance(frame: np.ndarray) -> np.ndarray:
    code = cv2.COLOR_BGRA2GRAY if frame.shape[-1] == 4 else cv2.COLOR_BGR2GRAY
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), code))
