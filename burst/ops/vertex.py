"""Where a sampled curve has its extreme, to a fraction of a sample."""

from __future__ import annotations

import torch


def vertex(before: torch.Tensor, middle: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return the distance, in samples, from the middle one of three samples to the vertex of the
    parabola through them.

    Any shape. The middle value is the largest or the smallest, so the vertex is within half a
    sample; where all three are equal the distance is 0.
    """
    bend = before - 2 * middle + after
    return torch.where(bend.abs() > 0, 0.5 * (before - after) / bend, 0.0).clamp(-0.5, 0.5)
