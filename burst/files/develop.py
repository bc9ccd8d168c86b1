"""Make the colours of a camera those of a display: white balance and the camera's matrix."""

from __future__ import annotations

import numpy as np

from burst.ops import color
from burst.records import ColourSpace, Sensor


def developed(linear: np.ndarray, sensor: Sensor, space: ColourSpace = "srgb") -> np.ndarray:
    """Return linear camera colours [..., 3] as linear colours of a display, float32; grey images
    [h, w] unchanged.

    The least gain of the white balance is 1, so that what is saturated is white.
    """
    if linear.shape[-1] != 3:
        return linear
    balance = np.asarray(sensor.white_balance, np.float64)
    matrix = camera_to_srgb(sensor) @ np.diag(balance / balance.min())
    if space != "srgb":
        matrix = np.linalg.inv(color.xyz_of(space)) @ color.SRGB_TO_XYZ @ matrix
    clipped = np.minimum(linear, 1 / (balance / balance.min())) if (balance != 1).any() else linear
    return np.asarray(clipped @ matrix.T.astype(np.float32), np.float32)


def camera_to_srgb(sensor: Sensor) -> np.ndarray:
    """Return the matrix [3, 3] from white-balanced camera colours to linear sRGB, or identity."""
    if sensor.camera_matrix is None:
        return np.eye(3)
    return np.asarray(sensor.camera_matrix, np.float64).reshape(3, 3)
