"""Frames that are the same as an earlier one, wholly or in part: what is copied counts once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

ROWS = 128  # of a frame that are looked at, at most, before copies are looked at closely
SEGMENTS = 8  # of a row; a copy may be as wide as one
LEAST_RANGE = 4  # DN between the values of a segment: noise repeats itself in narrower ones
LEAST_SHARE = 0.05  # of a frame; smaller copies are left alone
WHOLE = 0.5  # of a frame; with more it is left out as a copy


@dataclass(frozen=True)
class Repeats:
    """`same` names the earlier frame that a frame is a copy of; `partly` holds, for other frames,
    the part [h, w] bool that an earlier frame has as well."""

    same: Mapping[int, int]
    partly: Mapping[int, np.ndarray]


def find_repeats(frames: np.ndarray) -> Repeats:
    """Find what frames [n, h, w] in DN have in common with earlier ones, value by value."""
    marks = np.stack([_marks(frame) for frame in frames])
    same: dict[int, int] = {}
    partly: dict[int, np.ndarray] = {}
    earlier = _earlier(marks)
    for i in range(1, len(frames)):
        source = earlier[i][earlier[i] >= 0]
        if np.array_equal(marks[i], marks[i - 1]) and np.array_equal(frames[i], frames[i - 1]):
            same[i] = same.get(i - 1, i - 1)
            continue
        if source.size < LEAST_SHARE * marks[i].size:
            continue
        j = int(np.bincount(source).argmax())
        copied = _copied(frames[i], frames[j])
        if copied.mean() >= WHOLE:
            same[i] = j
        elif copied.mean() >= LEAST_SHARE:
            partly[i] = copied
    return Repeats(same, partly)


def _marks(frame: np.ndarray) -> np.ndarray:
    """Return a number [rows, segments] for what stands in each segment of some rows; 0 for dull."""
    rows = np.asarray(frame[:: max(1, frame.shape[0] // ROWS)]).astype(np.uint64)
    edges = _edges(frame.shape[1])
    weight = np.random.default_rng(0).integers(1, 2**63, frame.shape[1], dtype=np.uint64)
    mark = np.add.reduceat(rows * weight, edges, axis=1)  # wraps around, as a checksum may
    spread = np.maximum.reduceat(rows, edges, axis=1) - np.minimum.reduceat(rows, edges, axis=1)
    return np.where(spread >= LEAST_RANGE, mark, np.uint64(0))


def _earlier(marks: np.ndarray) -> np.ndarray:
    """Return the first frame [n, r, s] before each that has the same marks [n, r, s], else -1."""
    n = len(marks)
    order = np.argsort(marks, axis=0, kind="stable")
    ordered = np.take_along_axis(marks, order, 0)
    new = np.ones(marks.shape, bool)
    new[1:] = ordered[1:] != ordered[:-1]
    start = np.maximum.accumulate(np.where(new, np.arange(n)[:, None, None], 0), axis=0)
    first = np.take_along_axis(order, start, 0)
    found = np.empty(marks.shape, np.int64)
    np.put_along_axis(found, order, np.where(new | (ordered == 0), -1, first), 0)
    return found


def _copied(frame: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return where [h, w] bool whole segments of a frame are those of another."""
    edges = _edges(frame.shape[1])
    equal = np.logical_and.reduceat(frame == source, edges, axis=1)
    return np.repeat(equal, np.diff([*edges, frame.shape[1]]), axis=1)


def _edges(width: int) -> np.ndarray:
    """Return where the segments of a row begin."""
    return np.unique(np.linspace(0, width, SEGMENTS + 1).astype(int)[:-1])
