"""Turn images upright by the eight EXIF orientations."""

from __future__ import annotations

import numpy as np

# Of EXIF 2.3 (tag 0x0112), which says where row 0 and column 0 of the stored picture are seen:
# those in which it is stored upside down, from right to left, and with columns as rows.
UPSIDE_DOWN, MIRRORED, TRANSPOSED = (3, 4, 6, 7), (2, 3, 7, 8), (5, 6, 7, 8)


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image [h, w, ...] upright, by its EXIF orientation (1 to 8)."""
    rows = image[::-1] if orientation in UPSIDE_DOWN else image
    rows = rows[:, ::-1] if orientation in MIRRORED else rows
    return np.ascontiguousarray(rows.swapaxes(0, 1) if orientation in TRANSPOSED else rows)


def upright_all(images: np.ndarray, orientation: int) -> np.ndarray:
    """Return images [t, h, w, ...] upright, by their EXIF orientation (1 to 8)."""
    return np.stack([upright(image, orientation) for image in images])
