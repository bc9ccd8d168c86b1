"""A thing that moves by itself in front of a still scene."""

from __future__ import annotations

import torch

from burst.ops.warp import pixel_grid, warp


def pass_through(
    scene: torch.Tensor, surface: torch.Tensor, side: float, speed: float, frames: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what frames see [n, H, W] of a scene [H, W] when a disc of a diameter in px moves
    across its middle, to the right and half as fast down, at a speed in px a frame, and where the
    disc is [n, H, W] bool. It looks like the middle of a surface [H', W']."""
    top, left = ((a - b) // 2 for a, b in zip(surface.shape, scene.shape, strict=True))
    look = surface[top : top + scene.shape[0], left : left + scene.shape[1]]
    step = speed / 5**0.5 * (torch.arange(frames).to(scene) - frames // 2)
    moved = torch.stack([2 * step, step], dim=1)[:, :, None, None]
    flow = -moved.expand(-1, -1, *scene.shape)
    x, y = pixel_grid(scene)
    height, width = scene.shape
    off = torch.hypot(x - width / 2 - moved[:, 0], y - height / 2 - moved[:, 1])
    cover = (side / 2 - off + 0.5).clamp(0, 1)
    return torch.lerp(scene, warp(look.expand(frames, -1, -1), flow), cover), cover > 0.5
