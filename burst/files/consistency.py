"""Check that frames belong to one recording: size, type, settings, orientation, and gaps between
the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from burst.log import LOG
from burst.records import Sensor, StackError


def check_same_format(path: Path, frame: np.ndarray, like: np.ndarray) -> None:
    """Raise StackError unless a frame has the size and type of the first one."""
    if frame.shape != like.shape or frame.dtype != like.dtype:
        raise StackError(
            f"{path}: expected a frame like the first, {_describe(like)}, found"
            f" {_describe(frame)}. Remove it, or crop all frames alike."
        )


def check_same_settings(path: Path, sensor: Sensor, first: Sensor, names: Sequence[str]) -> None:
    """Raise StackError unless these fields are those of the first sensor; warn of exposure."""
    for name in names:
        found, expected = getattr(sensor, name), getattr(first, name)
        if found != expected:
            raise StackError(
                f"{path}: expected {name} {expected} like the first frame, found {found}."
                " Pass frames of one camera with one setting."
            )
    if sensor.exposure_time != first.exposure_time:
        LOG.warning("%s: exposure differs from the first frame's.", path)


def warn_orientations(where: Path, orientations: Sequence[int]) -> None:
    """Warn where frames of one folder have different orientations."""
    if len(set(orientations)) > 1:
        LOG.warning(
            "%s: its frames have the orientations %s; they stay as recorded, and the result is"
            " turned like the first.", where, ", ".join(map(str, sorted(set(orientations)))),
        )  # fmt: skip


def _describe(frame: np.ndarray) -> str:
    return f"{' x '.join(map(str, frame.shape))} of {frame.dtype}"


_MOST_NAMED = 5
_REGULAR = 0.75  # of the steps; numbers such as times of day have irregular steps; by hand


def warn_gaps(folder: Path, frames: Sequence[Path]) -> None:
    """Warn of frames that are missing between the first and the last of a folder."""
    missing = missing_numbers([frame.stem for frame in frames])
    if not missing:
        return
    named = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
    LOG.warning(
        "%s: %d frame%s missing between its first and last, by the numbers in their names: %s.",
        folder, len(missing), " is" if len(missing) == 1 else "s are", named,
    )  # fmt: skip


def missing_numbers(names: Sequence[str]) -> list[str]:
    """Return the numbers that are missing from names, with leading zeros as in the names. Empty
    unless the names are equal but for their last number, which mostly rises by a fixed step."""
    parts = [re.fullmatch(r"(.*?)(\d+)(\D*)", name) for name in names]
    found = [part.groups() for part in parts if part is not None]
    if len(found) < len(names) or len({(before, after) for before, _, after in found}) != 1:
        return []
    numbers = [int(digits) for _, digits, _ in found]
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    if not steps or min(steps) <= 0:
        return []
    step = min(steps)
    regular = sum(s == step for s in steps) >= _REGULAR * len(steps)
    if not regular or any(s % step for s in steps):
        return []
    width = len(found[0][1])
    present = set(numbers)
    expected = range(numbers[0], numbers[-1], step)
    return [f"{number:0{width}d}" for number in expected if number not in present]
