"""Linear light and its encoding for displays (sRGB)."""

from __future__ import annotations

import torch

# Rec. 709 and sRGB, red, green and blue.
LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)


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
