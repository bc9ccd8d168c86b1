"""How many frames are processed at once: few on a CPU, many on a GPU."""

from __future__ import annotations

import torch

ON_CPU = 10  # frames, so that temporary arrays stay small and in the cache
PIXELS_ON_GPU = 1 << 25  # every call costs time on a GPU, so each gets as much as memory allows


def frames_at_once(frames: torch.Tensor) -> int:
    """Return how many of frames [n, h, w] a temporary array may hold."""
    if frames.device.type == "cpu":
        return ON_CPU
    return max(1, PIXELS_ON_GPU // max(1, frames.shape[-2] * frames.shape[-1]))
