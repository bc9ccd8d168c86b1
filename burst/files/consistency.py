"""Check that the frames of one recording have the same size, type and orientation."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Raise StackError unless these fields of a frame's sensor are those of the first frame's; warn
    of another exposure."""
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
