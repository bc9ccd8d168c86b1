"""One scene of a rolling-shutter set: frames, truths of the same scene, and their times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from burst.files.luminance import frame_luminance
from burst.lazy import torch
from burst.ops import shutter
from burst.records import Frames, Sensor, Shutter, Stack, StackError

COLOURS = ("R", "G", "B")
NEAR = 4  # frames that tell of an instant


@dataclass(frozen=True)
class Sequence(Frames):
    """Frames of one camera, and what a global shutter would have recorded at given times.

    frames       [n, h, w] or [n, h, w, 3] (red first) uint8 or uint16, DN as stored
    sensor       levels, shutter and times of the whole sensor; a row_time of 0 is unknown
    scan         [n] int8, +1 read top to bottom, -1 bottom to top
    truths       [t, h, w(, 3)] DN like the frames; t = 0 without truths
    truth_frame  [t] the frame that a truth belongs to; of a dual reversed pair, its first
    truth_share  [t] time in that frame: 0 is mid-exposure of the first row, 1 that of the last
    masks        [t, h, w] bool, where a truth is valid; None is everywhere
    flow         [t, k, 2, h, w] float32 px, from a truth to frame truth_frame + 0..k-1
    rows, top    rows of the whole sensor, and which of them is row 0 here: crops keep their times
    """

    frames: np.ndarray
    sensor: Sensor
    scan: np.ndarray
    name: str = "sequence"
    source: str = ""
    truths: np.ndarray = field(default_factory=partial(np.zeros, 0))
    truth_frame: np.ndarray = field(default_factory=partial(np.zeros, 0))
    truth_share: np.ndarray = field(default_factory=partial(np.zeros, 0))
    masks: np.ndarray | None = None
    flow: np.ndarray | None = None
    rows: int = 0
    top: int = 0

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
            raise self._error("frames (n, h, w) or (n, h, w, 3)", shape)
        if self.scan.shape != shape[:1]:
            raise self._error(f"a scan of {shape[0]} frames", self.scan.shape)
        times = self.sensor.frame_times
        if times is not None and len(times) < shape[0]:
            raise self._error(f"frame_times of {shape[0]} frames", len(times))
        object.__setattr__(self, "rows", self.rows or shape[1])
        if not 0 <= self.top <= self.rows - shape[1]:
            raise self._error(f"{shape[1]} rows within {self.rows}", f"row {self.top} first")
        t = len(self.truth_frame)
        if self.truth_share.shape != (t,) or len(self.truths) != t:
            raise self._error(f"{t} truths with a moment each", self.truths.shape)
        if t and self.truths.shape[1:] != shape[1:]:
            raise self._error(f"truths like the frames {shape[1:]}", self.truths.shape[1:])
        if self.masks is not None and self.masks.shape != (t, *shape[1:3]):
            raise self._error(f"masks {(t, *shape[1:3])}", self.masks.shape)
        if self.flow is not None and self.flow.shape[2:] != (2, *shape[1:3]):
            raise self._error(f"flow (t, k, 2, {shape[1]}, {shape[2]})", self.flow.shape)

    @property
    def readout_ratio(self) -> float:
        """Readout of the whole sensor in units of the frame time; 0 if unknown."""
        return self.sensor.readout_ratio(self.rows)

    @property
    def instants(self) -> np.ndarray:
        """The time of every truth [t], seconds (float64) on the clock of `exposures`."""
        begin, end = self._whole_exposures()
        middle = ((begin + end) / 2).numpy()[self.truth_frame.astype(int)]
        first, last = middle.min(axis=1), middle.max(axis=1)
        instants: np.ndarray = first + self.truth_share * (last - first)
        return instants

    def exposures(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return start and end of exposure [n, h] in seconds (float64) of the rows here."""
        begin, end = self._whole_exposures()
        seen = slice(self.top, self.top + self.height)
        return begin[:, seen], end[:, seen]

    def with_readout_ratio(self, ratio: float) -> Sequence:
        """Return the sequence with another readout ratio; StackError if it is invalid."""
        row_time = ratio * self.sensor.frame_time / self.rows
        return replace(self, sensor=replace(self.sensor, row_time=row_time))

    def with_one_truth(self, index: int) -> Sequence:
        """Return the sequence with only one of its truths."""
        one = slice(index, index + 1)
        return replace(
            self,
            truths=self.truths[one],
            truth_frame=self.truth_frame[one],
            truth_share=self.truth_share[one],
            masks=None if self.masks is None else self.masks[one],
            flow=None if self.flow is None else self.flow[one],
        )

    def cut(self, start: int, stop: int) -> Sequence:
        """Return frames start..stop with the truths of the sequence, whose flow is left out."""
        return replace(
            self,
            frames=self.frames[start:stop],
            sensor=self.sensor.of_frames(range(start, stop)),
            scan=self.scan[start:stop],
            truth_frame=self.truth_frame - start,
            flow=None,
        )

    def near(self, index: int) -> Sequence:
        """Return one truth, and the frames near it: at most four, or its dual reversed pair."""
        frame = int(self.truth_frame[index])
        if self.sensor.shutter is Shutter.DUAL_REVERSED:
            return self.with_one_truth(index).cut(frame, frame + 2)
        start = max(0, min(frame - 1, self.count - NEAR))
        return self.with_one_truth(index).cut(start, min(start + NEAR, self.count))

    def luminance(self) -> Stack:
        """Return the luminance as a stack, from which motion is measured."""
        return self._stack(luminance_of(self.frames), self.name)

    def planes(self) -> tuple[Stack, ...]:
        """Return the stacks to restore separately: red, green and blue, or the grey frames."""
        if self.frames.ndim == 3:
            return (self._stack(self.frames, self.name),)
        return tuple(
            self._stack(self.frames[..., index], f"{self.name}-{colour}")
            for index, colour in enumerate(COLOURS)
        )

    def _stack(self, frames: np.ndarray, name: str) -> Stack:
        if self.height != self.rows:
            raise StackError(
                f"{self.source or self.name}: expected all {self.rows} rows of the sensor, found"
                f" {self.height}. A stack counts its times from row 0: crop after restoring."
            )
        return Stack(
            frames.astype(np.uint16, copy=False), self.sensor, name, self.source, self.scan
        )

    def _whole_exposures(self) -> tuple[torch.Tensor, torch.Tensor]:
        return shutter.exposure_window(self.sensor, self.rows, self.scan)


def luminance_of(images: np.ndarray) -> np.ndarray:
    """Return images [n, h, w] of images [n, h, w] or [n, h, w, 3] (red first), same type."""
    if images.ndim == 3:
        return images
    gray = np.empty(images.shape[:3], images.dtype)
    for index, image in enumerate(images):
        gray[index] = frame_luminance(image[..., ::-1])
    return gray
