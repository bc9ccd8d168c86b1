"""Crop and mirror sequences so that every row keeps the time at which it was read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from burst.files.sequence import Sequence
from burst.records import StackError


def crop(sequence: Sequence, rows: slice, columns: slice) -> Sequence:
    """Return a window of a sequence as views; StackError where it exceeds the frame."""
    height, width = sequence.frames.shape[1:3]
    for name, part, size in (("rows", rows, height), ("columns", columns, width)):
        if not 0 <= part.start < part.stop <= size:
            raise StackError(
                f"{sequence.name}: expected {name} within 0..{size}, found"
                f" {part.start}..{part.stop}. Cut less."
            )
    masks, flow = sequence.masks, sequence.flow
    return replace(
        sequence,
        frames=sequence.frames[:, rows, columns],
        truths=sequence.truths[:, rows, columns] if len(sequence.truths) else sequence.truths,
        masks=None if masks is None else masks[:, rows, columns],
        flow=None if flow is None else flow[..., rows, columns],
        top=sequence.top + rows.start,
    )


def flip_rows(sequence: Sequence) -> Sequence:
    """Turn a sequence upside down: a scan downwards becomes one upwards."""
    masks, flow = sequence.masks, sequence.flow
    return replace(
        sequence,
        frames=sequence.frames[:, ::-1],
        truths=sequence.truths[:, ::-1] if len(sequence.truths) else sequence.truths,
        masks=None if masks is None else masks[:, ::-1],
        flow=None if flow is None else flow[..., ::-1, :] * _sign(1, flow),
        scan=-sequence.scan,
        top=sequence.rows - sequence.top - sequence.height,
    )


def flip_columns(sequence: Sequence) -> Sequence:
    """Mirror a sequence from left to right; its times do not change."""
    masks, flow = sequence.masks, sequence.flow
    return replace(
        sequence,
        frames=sequence.frames[:, :, ::-1],
        truths=sequence.truths[:, :, ::-1] if len(sequence.truths) else sequence.truths,
        masks=None if masks is None else masks[:, :, ::-1],
        flow=None if flow is None else flow[..., ::-1] * _sign(0, flow),
    )


def _sign(axis: int, flow: np.ndarray) -> np.ndarray:
    """Return [2, 1, 1] that reverses one component of a flow; dx is axis 0."""
    sign = np.ones((2, 1, 1), flow.dtype)
    sign[axis] = -1
    return sign
