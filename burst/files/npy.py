"""Read .npy and .npz: any axis order, memory-mapped where the values are 16-bit already."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from burst.files.check import explained
from burst.records import Sensor, StackError

Axis = Literal["frames-first", "frames-last"]

_EXPECTED = "a .npy array of numbers that is complete"
_ADVICE = "Write it again with numpy.save(path, frames), frames as uint16."


def read_npy(path: Path, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] as a view of the mapped file, and a 12-bit (or 8-bit) sensor."""
    with explained(path, _EXPECTED, _ADVICE):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise StackError(f"{path}: expected {_EXPECTED}, found an archive. Name it .npz.")
    return frames_first(str(path), array, axis), _sensor(array)


def read_npz(path: Path, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    """Return the array named 'frames', or the only one, like `read_npy`; it is held in memory."""
    advice = "Write it again with numpy.savez(path, frames=frames)."
    with (
        explained(path, "a .npz archive that is complete", advice),
        np.load(path, allow_pickle=False) as archive,
    ):
        names = list(archive.files)
        name = "frames" if "frames" in names else names[0] if len(names) == 1 else None
        array = archive[name] if name else None
    if array is None:
        raise StackError(
            f"{path}: expected one array, or one that is named 'frames', found"
            f" {', '.join(names) or 'none'}. {advice}"
        )
    return frames_first(str(path), array, axis), _sensor(array)


def frames_first(where: str, array: np.ndarray, axis: Axis | None) -> np.ndarray:
    """Return a view [n, h, w] of an array (n, h, w) or (h, w, n), told apart by the equal sides.

    StackError if the shape fits both and no axis was given; other ranks pass unchanged.
    """
    if array.ndim != 3:
        return array
    order = axis or _axis_of(array.shape)
    if order is None:
        raise StackError(
            f"{where}: expected (n, h, w) or (h, w, n) with two equal sides, found {array.shape},"
            " which could be either. Pass --axis frames-first or --axis frames-last."
        )
    return array if order == "frames-first" else np.moveaxis(array, -1, 0)


def _axis_of(shape: tuple[int, ...]) -> Axis | None:
    first, middle, last = shape
    if first != middle == last:
        return "frames-first"
    return "frames-last" if first == middle != last else None


def _sensor(array: np.ndarray) -> Sensor:
    return Sensor(white_level=255) if array.dtype == np.uint8 else Sensor()
