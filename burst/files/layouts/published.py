"""Separate frames from truths in a folder of a published set that is given as a stack."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from burst.files.folder import frames_in, visible_entries
from burst.files.layouts.folders import LAYOUTS
from burst.files.layouts.listing import Listing, TruthFile
from burst.files.layouts.simulated import find_simulated
from burst.log import LOG
from burst.records import Sensor, StackError

_WITH_TRUTHS = tuple(layout for layout in LAYOUTS if layout.name != "dual-pairs")
_HIGHEST = 2  # folders from the frames up to the sequence, or to the set


def sequences_in(folder: Path) -> list[Listing]:
    """Return the sequences with truths in a folder with a published layout; else none."""
    entries = visible_entries(folder)
    for layout in _WITH_TRUTHS:
        found = [one for one in layout.find(layout, folder, entries) if one.truths]
        if found:
            return found
    return []


def sequence_at(folder: Path) -> Listing | None:
    """Return the sequence of a published layout with its frames in a folder; None if none."""
    absolute = folder.absolute()
    for place in (absolute, *absolute.parents[:_HIGHEST]):
        if not os.access(place, os.R_OK | os.X_OK):
            continue
        try:
            sequences = sequences_in(place)
        except StackError:
            if place == absolute:
                raise
            # Truths in other folders are optional, so missing ones do no harm.
            continue
        found = [one for one in sequences if one.frames[0].parent == absolute]
        if found:
            # Several scenes in one folder are not a single stack.
            return found[0] if len(found) == 1 else None
    return None


def frames_without_truths(folder: Path) -> list[Path]:
    """Return the single frames in a folder as `frames_in` does, without truths."""
    sequence = sequence_at(folder)
    return frames_in(folder) if sequence is None else [folder / f.name for f in sequence.frames]


def with_layout_timing(folder: Path, sensor: Sensor, height: int) -> Sensor:
    """Return a sensor with the shutter and times of a folder's layout, and log it."""
    sequence = sequence_at(folder)
    if sequence is None:
        return sensor
    LOG.info(
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
    """Return the truths of a stack from a simulation or a published set; else none."""
    if not folder.is_dir():
        return ()
    simulated = find_simulated(folder, visible_entries(folder))
    if simulated:
        return simulated[0].truths
    sequence = sequence_at(folder)
    return () if sequence is None else sequence.truths
