"""Shift of the whole image by a shaking camera, as a smooth random function of time."""

from __future__ import annotations

import math

import torch

LOWEST_HZ, HIGHEST_HZ = 3.0, 60.0
TONES = 48


class Vibration:
    """A sum of sinusoids, log-uniform between 3 and 60 Hz, with the given rms per axis in
    pixels."""

    def __init__(self, rms: float, generator: torch.Generator) -> None:
        draw = torch.rand((3, 2, TONES), generator=generator, device=generator.device).double()
        ratio = HIGHEST_HZ / LOWEST_HZ
        self.omega = 2 * math.pi * LOWEST_HZ * ratio ** draw[0]
        self.phase = 2 * math.pi * draw[1]
        # Displacement falls with frequency: a mount is a low-pass filter.
        strength = draw[2] * (LOWEST_HZ / (self.omega / (2 * math.pi))) ** 0.5
        self.amplitude = rms * strength / (strength**2 / 2).sum(-1, keepdim=True).sqrt()

    def at(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return the displacement [..., 2] in pixels at times [...]."""
        angle = seconds[..., None, None] * self.omega + self.phase
        return (self.amplitude * angle.sin()).sum(-1).float()
