"""Read .npy and .npz with any axis order, memory-mapped where the values are uint16."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zipfile import is_zipfile

import numpy as np

from burst.files.check import MINIMUM_SIDE, explained
from burst.files.luminance import to_luminance
from burst.files.values import assumed_sensor
from burst.log import LOG
from burst.records import Sensor, StackError

Axis = Literal["frames-first", "frames-last"]

_COLOURS = (3, 4)  # values of one pixel
# In 13 simulated and real stacks the means differ 2 to 100 times less in the right order.
_CLEARLY = 1.5
_VALUES_LOOKED_AT = 8_000_000
_EXPECTED = "a .npy array of numbers that is complete"
_ADVICE = "Write it again with numpy.save(path, frames), frames as uint16."


def count_values(path: Path) -> int:
    """Return how many values an array holds, from its header."""
    with explained(path, _EXPECTED, _ADVICE):
        return int(_mapped(path).size)


def read_npy(path: Path, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] as a view of the mapped file, and the sensor its values indicate."""
    with explained(path, _EXPECTED, _ADVICE):
        array = _mapped(path)
    return _with_sensor(path, array, axis)


def _mapped(path: Path) -> np.ndarray:
    if is_zipfile(path):
        raise StackError(f"{path}: expected {_EXPECTED}, found an archive. Name it .npz.")
    # Unlike `numpy.load` it does not take other files for pickled objects, nor say so.
    return np.lib.format.open_memmap(path, mode="r")


def read_npz(path: Path, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    """Return the array 'frames', or the only possible one, like `read_npy` but in memory."""
    advice = "Write it again with numpy.savez(path, frames=frames)."
    with (
        explained(path, "a .npz archive that is complete", advice),
        path.open("rb") as file,
        np.lib.npyio.NpzFile(file) as archive,
    ):
        names = list(archive.files)
        arrays = {name: archive[name] for name in (["frames"] if "frames" in names else names)}
    stacks = [name for name, array in arrays.items() if array.ndim >= 3] or list(arrays)
    if len(stacks) != 1:
        raise StackError(
            f"{path}: expected one array, or one that is named 'frames', found"
            f" {', '.join(names) or 'none'}. {advice}"
        )
    if len(names) > 1 and stacks != ["frames"]:
        LOG.info("%s: the frames are its array '%s'.", path, stacks[0])
    return _with_sensor(path, arrays[stacks[0]], axis)


def grey_frames(where: str | Path, array: np.ndarray, axis: Axis | None) -> np.ndarray:
    """Return frames [n, h, w] of an array, or of colour frames (red first) their luminance."""
    if array.ndim > 3 and 3 not in (array.shape[1], array.shape[-1]):
        # Axes of length 1, as networks want one for the channel.
        array = array.squeeze()
    if array.ndim == 4 and array.shape[-1] != 3 and array.shape[1] == 3:
        array = np.moveaxis(array, 1, -1)
    if array.ndim != 4 or array.shape[-1] != 3 or array.dtype.kind not in "uif":
        return frames_first(str(where), array, axis)
    frames = array if array.dtype in (np.uint8, np.uint16) else array.astype(np.float32)
    return to_luminance(Path(where), frames[..., ::-1])


def frames_first(where: str, array: np.ndarray, axis: Axis | None) -> np.ndarray:
    """Return a view [n, h, w] of an array (n, h, w) or (h, w, n); the equal sides are those of
    frames. StackError for a single colour picture, and without `axis` if the shape fits both orders
    or the values contradict it. Arrays of other ranks are returned unchanged."""
    if array.ndim != 3:
        return array
    if axis is None and array.shape[-1] in _COLOURS and min(array.shape[:2]) >= MINIMUM_SIDE:
        raise StackError(
            f"{where}: expected frames (n, h, w), found {array.shape}, which is one colour picture."
            f" Pass a stack of grey or raw frames, or --axis frames-last if it holds"
            f" {array.shape[-1]} frames."
        )
    order = axis or axis_of(array)
    if order is None:
        raise StackError(
            f"{where}: expected (n, h, w) or (h, w, n) with two equal sides, found {array.shape},"
            " which could be either. Pass --axis frames-first or --axis frames-last."
        )
    return array if order == "frames-first" else np.moveaxis(array, -1, 0)


def axis_of(array: np.ndarray) -> Axis | None:
    """Return the order that has square frames, where the other one cannot be meant; else None."""
    first, middle, last = array.shape
    if first == middle == last or middle not in (first, last):
        return None
    order: Axis = "frames-first" if middle == last else "frames-last"
    other_side = first if order == "frames-first" else last
    # In the other order the frames would be too small.
    if other_side < MINIMUM_SIDE:
        return order
    change = {"frames-first": _dissimilarity(array, 0), "frames-last": _dissimilarity(array, -1)}
    other = change["frames-last" if order == "frames-first" else "frames-first"]
    # Most frames with equal sides are square: only clear evidence of the values counts against it.
    return order if change[order] <= _CLEARLY * other else None


def _dissimilarity(array: np.ndarray, frame_axis: int) -> float:
    """Return 1 minus the correlation of the means of the first and the last frames along an axis.
    It is near 0 for frames of one scene, and at most 2."""
    if array.dtype.kind not in "uif":
        return 0.0
    frames = np.moveaxis(array[:, :: max(1, array.size // _VALUES_LOOKED_AT)], frame_axis, 0)
    half = len(frames) // 2
    first, last = (part.astype(np.float32).mean(axis=0) for part in (frames[:half], frames[-half:]))
    first, last = first - first.mean(), last - last.mean()
    power = float(np.sqrt((first**2).sum() * (last**2).sum()))
    return 1 - float((first * last).sum()) / power if power else 0.0


def _with_sensor(path: Path, array: np.ndarray, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    frames = grey_frames(path, array, axis)
    return frames, assumed_sensor(frames) if frames.ndim == 3 else Sensor()
