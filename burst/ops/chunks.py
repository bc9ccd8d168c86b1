"""How many frames are worked on at once: few on a CPU, many on a GPU."""

from __future__ import annotations

import torch

ON_CPU = 10  # frames whose temporary arrays stay small and near the processor
PIXELS_ON_GPU = 1 << 25  # a GPU waits for every call, so it gets as much as memory allows


def frames_at_once(frames: torch.Tensor) -> int:
    """Return how many of frames [n, h, w] a temporary array may hold."""
    if frames.device.type == "cpu":
        return ON_CPU
    return max(1, PIXELS_ON_GPU // max(1, frames.shape[-2] * frames.shape[-1]))
