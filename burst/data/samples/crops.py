"""Crop and mirror sequences so that every row keeps the time at which it was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from burst.files.sequence import Sequence
from burst.records import StackError

ALL, BACKWARDS = slice(None), slice(None, None, -1)


def crop(sequence: Sequence, rows: slice, columns: slice) -> Sequence:
    """Return a window of a sequence as views; StackError where it exceeds the frame."""
    height, width = sequence.frames.shape[1:3]
    for name, part, size in (("rows", rows, height), ("columns", columns, width)):
        if not 0 <= part.start < part.stop <= size:
            raise StackError(
                f"{sequence.name}: expected {name} within 0..{size}, found"
                f" {part.start}..{part.stop}. Cut less."
            )
    return _at(sequence, rows, columns, (1, 1), top=sequence.top + rows.start)


def flip_rows(sequence: Sequence) -> Sequence:
    """Turn a sequence upside down: a scan downwards becomes one upwards."""
    top = sequence.rows - sequence.top - sequence.height
    return _at(sequence, BACKWARDS, ALL, (1, -1), scan=-sequence.scan, top=top)


def flip_columns(sequence: Sequence) -> Sequence:
    """Mirror a sequence from left to right; its times do not change."""
    return _at(sequence, ALL, BACKWARDS, (-1, 1))


def _at(
    sequence: Sequence, rows: slice, columns: slice, signs: tuple[int, int], **changes: Any
) -> Sequence:
    """Return what is left of a sequence at these rows and columns; `signs` are those that dx and dy
    of a flow then have."""
    truths, masks, flow = sequence.truths, sequence.masks, sequence.flow
    sign = np.array(signs)[:, None, None]
    return replace(
        sequence,
        frames=sequence.frames[:, rows, columns],
        truths=truths[:, rows, columns] if len(truths) else truths,
        masks=None if masks is None else masks[:, rows, columns],
        flow=None if flow is None else flow[..., rows, columns] * sign.astype(flow.dtype),
        **changes,
    )
