"""Sequences that are found but not yet read, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burst.files.check import check_levels, explained, naming
from burst.files.consistency import check_same_format
from burst.files.images import decode_image, sensor_of
from burst.files.sequence import Sequence
from burst.files.sidecar import find_sidecar, read_sidecar
from burst.records import Sensor, Shutter, StackError

MIDDLE = 0.5
_FLOW_ADVICE = "Write it again with numpy.save, (h, w, 2) float32."


@dataclass(frozen=True)
class Timing:
    """The shutter and times of a layout; a ratio of 0 is not stated by the set."""

    shutter: Shutter = Shutter.ROLLING
    readout_ratio: float = 0.0
    frame_time: float = Sensor.frame_time


@dataclass(frozen=True)
class TruthFile:
    """One truth: its image, frame and share of the readout (see `Sequence`), mask and flow."""

    path: Path
    frame: int
    share: float
    mask: Path | None = None
    flow: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Listing:
    """A sequence of image files; its sidecar may lie in or beside `folder`."""

    name: str
    layout: str
    folder: Path
    frames: tuple[Path, ...]
    timing: Timing
    truths: tuple[TruthFile, ...] = ()

    @property
    def count(self) -> int:
        """The number of its frames."""
        return len(self.frames)

    def read(
        self, start: int = 0, stop: int | None = None, readout_ratio: float | None = None
    ) -> Sequence:
        """Read frames start..stop; StackError names the file that does not fit."""
        window = frame_range(self.name, self.count, start, stop)
        chosen = [t for t in self.truths if t.frame in window]
        frames = read_images_alike(self.frames[window.start : window.stop])
        sequence = Sequence(
            frames,
            sensor_for(frames, self.frames[0].suffix, self.timing),
            scan_of(self.timing, len(frames)),
            name=self.name.replace("/", "-"),
            source=str(self.folder),
        )
        sequence = completed(sequence, self.folder, window.start, readout_ratio)
        if frames.dtype != np.uint8:  # 8 bits cannot exceed their white level
            check_levels(str(self.folder), frames, sequence.sensor)
        return _with_truths(sequence, chosen, window.start) if chosen else sequence


def frame_range(name: object, count: int, start: int, stop: int | None) -> range:
    """Return the range of frames of a sequence of `count` to read; StackError if it is empty."""
    window = range(count)[start:stop]
    if not window:
        raise StackError(
            f"{name}: expected frames of 0..{count - 1}, found start {start} and stop {stop}."
        )
    return window


def sensor_for(frames: np.ndarray, suffix: str, timing: Timing) -> Sensor:
    """Return the sensor of frames [n, h, ...] of a file type, with the timing of a layout."""
    return replace(
        sensor_of(frames.dtype, suffix),
        shutter=timing.shutter,
        frame_time=timing.frame_time,
        row_time=timing.readout_ratio * timing.frame_time / frames.shape[1],
    )


def scan_of(timing: Timing, count: int) -> np.ndarray:
    """Return the scan [n] of a layout: down, or down and up in turn."""
    pattern = (1, -1) if timing.shutter is Shutter.DUAL_REVERSED else (1,)
    return np.resize(np.array(pattern, np.int8), count)


def completed(sequence: Sequence, place: Path, start: int, readout_ratio: float | None) -> Sequence:
    """Return a sequence, read from frame `start` on, with the values of its sidecar and the given
    ratio. StackError if it begins or ends within a dual reversed pair."""
    path = find_sidecar(place)
    if path:
        stated = read_sidecar(path)
        scan = stated.scan_of(start + sequence.count)
        scan = sequence.scan if scan is None else scan[start:]
        sequence = replace(sequence, sensor=stated.apply(sequence.sensor), scan=scan)
    times = sequence.sensor.frame_times
    if times is not None and len(times) > sequence.count:
        window = range(start, start + sequence.count)
        sequence = replace(sequence, sensor=sequence.sensor.of_frames(window))
    paired = sequence.sensor.shutter is Shutter.DUAL_REVERSED
    if paired and (start % 2 or sequence.count % 2):
        raise StackError(
            f"{place}: expected whole pairs of a dual reversed shutter, found frames {start} to"
            f" {start + sequence.count - 1}. Begin at an even frame and take an even number."
        )
    with naming(place):
        return sequence if readout_ratio is None else sequence.with_readout_ratio(readout_ratio)


def read_images_alike(
    paths: tuple[Path, ...] | list[Path], like: np.ndarray | None = None
) -> np.ndarray:
    """Return images [n, h, w] or [n, h, w, 3] (red first); StackError if sizes differ."""
    first = _read_image(paths[0]) if like is None else like
    images = np.empty((len(paths), *first.shape), first.dtype)
    for index, path in enumerate(paths):
        image = first if like is None and index == 0 else _read_image(path)
        check_same_format(path, image, first)
        images[index] = image
    return images


def _read_image(path: Path) -> np.ndarray:
    """Return an image [h, w] or [h, w, 3], red first, without a fourth channel."""
    image = decode_image(path)
    return image if image.ndim == 2 else image[..., 2::-1]


def _with_truths(sequence: Sequence, truths: list[TruthFile], start: int) -> Sequence:
    images = read_images_alike([t.path for t in truths], like=sequence.frames[0])
    size = sequence.frames.shape[1:3]
    masks = [_read_mask(t.mask, size) for t in truths if t.mask]
    flows = [np.stack([_read_flow(path, size) for path in t.flow]) for t in truths if t.flow]
    return replace(
        sequence,
        truths=images,
        truth_frame=np.array([t.frame - start for t in truths]),
        truth_share=np.array([t.share for t in truths]),
        masks=np.stack(masks) if masks else None,
        flow=np.stack(flows) if flows else None,
    )


def _read_mask(path: Path, size: tuple[int, ...]) -> np.ndarray:
    mask = decode_image(path)
    mask = mask if mask.ndim == 2 else mask[..., 0]
    check_same_format(path, mask, np.empty(size, mask.dtype))
    return mask > 0


def _read_flow(path: Path, size: tuple[int, ...]) -> np.ndarray:
    with explained(path, f"flow of shape {(*size, 2)}", _FLOW_ADVICE):
        flow = np.load(path, allow_pickle=False)
        if flow.shape != (*size, 2):
            raise ValueError(f"shape {flow.shape}")
    return np.ascontiguousarray(np.moveaxis(flow, -1, 0), np.float32)
