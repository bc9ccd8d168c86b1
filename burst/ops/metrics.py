"""How close an image comes to the truth; one definition of each metric."""

from __future__ import annotations

import math

import torch


def psnr(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of a linear image [h, w]; white is 1."""
    error = float((image.double() - truth.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)
