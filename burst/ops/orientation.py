"""Turn images upright by the eight EXIF orientations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Orientation of EXIF 2.3 (tag 0x0112): where row 0 and column 0 of the stored picture are seen.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda rows: rows,
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.swapaxes(0, 1),
    6: lambda rows: rows[::-1].swapaxes(0, 1),
    7: lambda rows: rows[::-1, ::-1].swapaxes(0, 1),
    8: lambda rows: rows[:, ::-1].swapaxes(0, 1),
}


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image [h, w, ...] upright, by its EXIF orientation (1 to 8)."""
    return np.ascontiguousarray(_TURNS[orientation](image))


def upright_all(images: np.ndarray, orientation: int) -> np.ndarray:
    """Return images [t, h, w, ...] upright, by their EXIF orientation (1 to 8)."""
    return np.stack([upright(image, orientation) for image in images])
