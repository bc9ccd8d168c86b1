"""The sRGB curve (IEC 61966-2-1) for arrays; a test holds it equal to the one for tensors."""

from __future__ import annotations

import numpy as np


def linear_to_display(linear: np.ndarray) -> np.ndarray:
    """Encode linear values, clipped to 0..1, for a display; same shape, float64."""
    x = np.clip(np.asarray(linear, np.float64), 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def display_to_linear(display: np.ndarray) -> np.ndarray:
    """Invert `linear_to_display`; same shape, float64."""
    y = np.clip(np.asarray(display, np.float64), 0, 1)
    return np.where(y <= 0.04045, y / 12.92, ((y + 0.055) / 1.055) ** 2.4)
