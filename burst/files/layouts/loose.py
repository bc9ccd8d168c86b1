"""Plain rolling-shutter frames without a published layout: a folder or a video, of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burst.files.folder import IMAGE_SUFFIXES, VIDEO_SUFFIXES, frames_in, is_stack
from burst.files.layouts.listing import Listing, Timing, completed, frame_range
from burst.files.read import read_stack
from burst.files.sequence import Sequence
from burst.files.video import decode_video, red_first
from burst.records import Shutter

NAME = "frames"
PATTERN = "a video, a stack, or a folder of frames"


@dataclass(frozen=True)
class StackListing:
    """A stack or a video; its number of frames is unknown before reading."""

    name: str
    path: Path
    layout: str = NAME
    count: int = 0

    def read(
        self, start: int = 0, stop: int | None = None, readout_ratio: float | None = None
    ) -> Sequence:
        """Read frames start..stop: a video in colour, other stacks as `read_stack` does."""
        video = self.path.suffix.lower() in VIDEO_SUFFIXES
        whole = self._video(stop) if video else self._stack()
        frame_range(self.path, whole.count, start, stop)
        frames, scan = whole.frames[start:stop], whole.scan[start:stop]
        return completed(replace(whole, frames=frames, scan=scan), self.path, start, readout_ratio)

    def _video(self, stop: int | None) -> Sequence:
        count = stop if stop is not None and stop > 0 else None
        frames, sensor = decode_video(self.path, red_first, count)
        sensor = replace(sensor, shutter=Shutter.ROLLING)
        return Sequence(frames, sensor, np.ones(len(frames), np.int8), self.name, str(self.path))

    def _stack(self) -> Sequence:
        stack = read_stack(self.path)
        sensor = stack.sensor
        if sensor.shutter is Shutter.GLOBAL:  # the default of a sensor
            sensor = replace(sensor, shutter=Shutter.ROLLING)
        return Sequence(stack.frames, sensor, stack.scan, self.name, str(self.path))


def find_loose(folder: Path, entries: list[Path]) -> list[Listing | StackListing]:
    """Return the frames of a folder as one sequence, or each stack and video in it."""
    frames = frames_in(folder)
    if frames and frames[0].suffix.lower() in IMAGE_SUFFIXES:
        return [Listing(str(folder), NAME, folder, tuple(frames), Timing())]
    if frames:
        return [StackListing(str(folder), folder)]
    return [one for path in entries if path.is_file() for one in find_loose_file(path)]


def find_loose_file(path: Path) -> list[Listing | StackListing]:
    """Return a stack or a video as a sequence; none if a file is neither."""
    return [StackListing(path.stem, path)] if is_stack(path) else []
