"""Frames that are copies of an earlier one, wholly or in part; a copy must not count twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from burst.mapped import each_frame

# Chosen by hand.
ROWS = 128  # of a frame, at most, whose checksums are compared first
SEGMENTS = 8  # of a row; a copy may be as wide as one
LEAST_RANGE = 4  # DN between the values of a segment: noise repeats itself in narrower ones
LEAST_SHARE = 0.05  # of a frame; smaller copies are left alone
WHOLE = 0.5  # of a frame; with more it is left out as a copy


@dataclass(frozen=True)
class Repeats:
    """`same` is the earlier frame of which a frame is a copy; `partly` is, for other frames, the
    part [h, w] bool that is copied from an earlier one."""

    same: Mapping[int, int]
    partly: Mapping[int, np.ndarray]


def find_repeats(frames: np.ndarray) -> Repeats:
    """Find what frames [n, h, w] in DN have in common with earlier ones, value by value."""
    like = _checksums(frames[0])
    # Made before the loop: small results between large temporary arrays would scatter the heap.
    checksums = np.empty((len(frames), *like.shape), like.dtype)
    for number, frame in enumerate(each_frame(frames)):
        checksums[number] = _checksums(frame)
    same: dict[int, int] = {}
    partly: dict[int, np.ndarray] = {}
    # Row by row: the work arrays of all rows of thousands of frames take a gigabyte.
    rows = [_first_alike(checksums[:, row]) for row in range(checksums.shape[1])]
    earlier = np.stack(rows, axis=1)
    for i in range(1, len(frames)):
        source = earlier[i][earlier[i] >= 0]
        alike = np.array_equal(checksums[i], checksums[i - 1])
        if alike and np.array_equal(frames[i], frames[i - 1]):
            same[i] = same.get(i - 1, i - 1)
            continue
        if source.size < LEAST_SHARE * checksums[i].size:
            continue
        j = int(np.bincount(source).argmax())
        copied = _copied(frames[i], frames[j])
        if copied.mean() >= WHOLE:
            same[i] = j
        elif copied.mean() >= LEAST_SHARE:
            partly[i] = copied
    return Repeats(same, partly)


def _checksums(frame: np.ndarray) -> np.ndarray:
    """Return a checksum [rows, segments] of each segment of some rows; 0 for segments without
    contrast."""
    rows = np.asarray(frame[:: -(-frame.shape[0] // ROWS)]).astype(np.uint64)
    edges = _edges(frame.shape[1])
    weight = np.random.default_rng(0).integers(1, 2**63, frame.shape[1], dtype=np.uint64)
    mark = np.add.reduceat(rows * weight, edges, axis=1)  # wraps around, as a checksum may
    spread = np.maximum.reduceat(rows, edges, axis=1) - np.minimum.reduceat(rows, edges, axis=1)
    return np.where(spread >= LEAST_RANGE, mark, np.uint64(0))


def _first_alike(checksums: np.ndarray) -> np.ndarray:
    """Return the first earlier frame [n, s] with the same checksum [n, s], else -1, as 32 bits."""
    n = len(checksums)
    order = np.argsort(checksums, axis=0, kind="stable")
    ordered = np.take_along_axis(checksums, order, 0)
    new = np.ones(checksums.shape, bool)
    new[1:] = ordered[1:] != ordered[:-1]
    start = np.maximum.accumulate(np.where(new, np.arange(n)[:, None], 0), axis=0)
    first = np.take_along_axis(order, start, 0)
    found = np.empty(checksums.shape, np.int32)
    np.put_along_axis(found, order, np.where(new | (ordered == 0), -1, first), 0)
    return found


def _copied(frame: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return where [h, w] bool whole segments of a frame equal those of another."""
    edges = _edges(frame.shape[1])
    equal = np.logical_and.reduceat(frame == source, edges, axis=1)
    return np.repeat(equal, np.diff([*edges, frame.shape[1]]), axis=1)


def _edges(width: int) -> np.ndarray:
    """Return where the segments of a row begin."""
    return np.unique(np.linspace(0, width, SEGMENTS + 1).astype(int)[:-1])
