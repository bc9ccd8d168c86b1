"""Read TIFF files of many pages through tifffile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from burst.files.check import explained
from burst.files.gray import to_luminance
from burst.files.quiet import quiet_tifffile
from burst.records import Sensor, StackError

_ADVICE = "Save it again as a TIFF of many uint16 pages of one size."


def read_tiff(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w], mapped where the pages are uncompressed; linear, 12 or 8 bits."""
    import tifffile

    quiet_tifffile()
    with explained(path, "a TIFF stack", _ADVICE), tifffile.TiffFile(path) as tiff:
        if len(tiff.series) != 1:
            raise StackError(
                f"{path}: expected pages of one size and type, found"
                f" {len(tiff.series)} kinds. {_ADVICE}"
            )
        series = tiff.series[0]
        array = _map(path) if series.dataoffset is not None else series.asarray()
        color = series.axes.endswith("S")
    frames = _squeeze(array, 3 if color else 2)
    if color and frames.ndim == 4 and frames.shape[-1] in (3, 4):
        frames = to_luminance(path, frames[..., 2::-1])
    return frames, Sensor(white_level=255) if frames.dtype == np.uint8 else Sensor()


def _map(path: Path) -> np.ndarray:
    import tifffile

    return tifffile.memmap(path, mode="r")


def _squeeze(array: np.ndarray, page_axes: int) -> np.ndarray:
    """Drop axes of length 1 before the page, as of a hyperstack, but keep one to count pages."""
    leading = [n for n in array.shape[: array.ndim - page_axes] if n > 1] or [1]
    return array.reshape(*leading, *array.shape[array.ndim - page_axes :])
