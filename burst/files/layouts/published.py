"""Tell frames from truths in a folder of a published set that is given as a stack."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from burst.files.folder import frames_in, visible_entries
from burst.files.layouts.folders import LAYOUTS
from burst.files.layouts.listing import Listing, TruthFile
from burst.files.layouts.written import find_written
from burst.records import Sensor, StackError

_log = logging.getLogger("burst")

_WITH_TRUTHS = tuple(layout for layout in LAYOUTS if layout.name != "dual-pairs")
_HIGHEST = 2  # folders from the frames up to the sequence, or to the set


def sequences_in(folder: Path) -> list[Listing]:
    """Return the sequences with truths of a folder in a published layout; none in any other."""
    entries = visible_entries(folder)
    for layout in _WITH_TRUTHS:
        found = [one for one in layout.find(layout, folder, entries) if one.truths]
        if found:
            return found
    return []


def sequence_at(folder: Path) -> Listing | None:
    """Return the sequence of a published layout whose frames lie in a folder; None if none do."""
    absolute = folder.absolute()
    for place in (absolute, *absolute.parents[:_HIGHEST]):
        if not os.access(place, os.R_OK | os.X_OK):
            continue
        try:
            sequences = sequences_in(place)
        except StackError:
            if place == absolute:
                raise
            # Truths in folders of their own are not needed: that some are missing does no harm.
            continue
        found = [one for one in sequences if one.frames[0].parent == absolute]
        if found:
            # Several scenes in one folder are not one stack.
            return found[0] if len(found) == 1 else None
    return None


def recorded_in(folder: Path) -> list[Path]:
    """Return the single frames in a folder as `frames_in` does, without truths among them."""
    sequence = sequence_at(folder)
    return frames_in(folder) if sequence is None else [folder / f.name for f in sequence.frames]


def timed(folder: Path, sensor: Sensor, height: int) -> Sensor:
    """Return a sensor with what the layout of a folder says of the shutter, and tell of it."""
    sequence = sequence_at(folder)
    if sequence is None:
        return sensor
    _log.info(
        "%s: the layout %s; %d frames, and %d truths that are only compared with.",
        folder, sequence.layout, sequence.count, len(sequence.truths),
    )  # fmt: skip
    timing = sequence.timing
    return replace(
        sensor,
        shutter=timing.shutter,
        frame_time=timing.frame_time,
        row_time=timing.readout_ratio * timing.frame_time / height,
    )


def truths_beside(folder: Path) -> tuple[TruthFile, ...]:
    """Return the truths of a stack: those that a simulation or a published set has; else none."""
    if not folder.is_dir():
        return ()
    written = find_written(folder, visible_entries(folder))
    if written:
        return written[0].truths
    sequence = sequence_at(folder)
    return () if sequence is None else sequence.truths
