"""Linear light, its encoding for displays (sRGB), and the colours of cameras and displays."""

from __future__ import annotations

import numpy as np
import torch

from burst.records import ColourSpace, Sensor

# CIE xy of red, green and blue: IEC 61966-2-1, and SMPTE EG 432-1 with the white of sRGB.
PRIMARIES = {
    "srgb": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "display-p3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
WHITE_D65 = (0.3127, 0.3290)

# Rec. 709 and sRGB, red, green and blue.
LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)


def xyz_of(space: ColourSpace) -> np.ndarray:
    """Return the matrix [3, 3] from linear colours of a display to XYZ, of which white has Y = 1
    and is that of D65."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in PRIMARIES[space]]).T
    x, y = WHITE_D65
    return np.asarray(columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y]))


SRGB_TO_XYZ = xyz_of("srgb")


def linear_to_display(linear: torch.Tensor) -> torch.Tensor:
    """Encode linear values, clipped to 0..1, by the sRGB curve (IEC 61966-2-1); any shape."""
    x = linear.clamp(0, 1)
    # The floor keeps the gradient of the power finite where the other branch is taken.
    power = 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(x <= 0.0031308, 12.92 * x, power)


def display_to_linear(display: torch.Tensor) -> torch.Tensor:
    """Invert `linear_to_display`; any shape."""
    y = display.clamp(0, 1)
    return torch.where(y <= 0.04045, y / 12.92, ((y + 0.055) / 1.055) ** 2.4)


def luminance(rgb: torch.Tensor) -> torch.Tensor:
    """Return the luminance [..., h, w] of linear colour [..., 3, h, w]."""
    red, green, blue = rgb.unbind(-3)
    return LUMINANCE_WEIGHTS[0] * red + LUMINANCE_WEIGHTS[1] * green + LUMINANCE_WEIGHTS[2] * blue


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
        matrix = np.linalg.inv(xyz_of(space)) @ SRGB_TO_XYZ @ matrix
    clipped = np.minimum(linear, 1 / (balance / balance.min())) if (balance != 1).any() else linear
    return np.asarray(clipped @ matrix.T.astype(np.float32), np.float32)


def camera_to_srgb(sensor: Sensor) -> np.ndarray:
    """Return the matrix [3, 3] from white-balanced camera colours to linear sRGB, or identity."""
    if sensor.camera_matrix is None:
        return np.eye(3)
    return np.asarray(sensor.camera_matrix, np.float64).reshape(3, 3)
