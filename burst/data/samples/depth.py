"""Objects at other depths before a moving scene: they pass by faster than what is behind them, and
some are thin, as wires, branches and railings are."""

from __future__ import annotations

import torch
from torch.nn import functional

from burst.data.rolling import Layers, MotionPath
from burst.data.samples.draws import between, choose, draw

# Chosen by hand, after streets seen from a car.
MOST_OBJECTS = 3
NEARER = 0.15, 1.0  # by which an object passes by faster, as a share of the camera's motion
CELL = 80, 240  # px, of the random field whose contours objects have
LINE = 0.7, 3.0  # px, half of a thin object's width
DARKER = 0.4  # of the scene's light, the least that an object has


def with_depth(scene: Layers, still: torch.Tensor, generator: torch.Generator) -> Layers:
    """Return a scene with one to three objects before it, made of pieces of a still [H, W]. The
    nearest is in front, and passes by fastest."""
    nearness = [between(NEARER, generator) for _ in range(1 + choose(MOST_OBJECTS, generator))]
    for near in sorted(nearness):
        shift = [choose(side, generator) for side in still.shape]
        scene = Layers(
            background=scene,
            object=between((DARKER, 1.0), generator) * still.float().roll(shift, (0, 1)),
            cover=_draw_cover(still, draw(generator) < 0.5, generator),
            camera_path=scene.camera_path,
            object_path=_parallax(scene.camera_path, near),
            size=scene.size,
        )
    return scene


def _parallax(path: MotionPath, near: float) -> MotionPath:
    return lambda seconds: near * path(seconds)


def _draw_cover(like: torch.Tensor, thin: bool, generator: torch.Generator) -> torch.Tensor:
    """Draw the opacity [H, W] of objects: what lies above a contour of a smooth random field, or
    thin lines along its contour."""
    cell = between(CELL, generator)
    coarse = torch.randn([3 + round(side / cell) for side in like.shape], generator=generator)
    field = functional.interpolate(coarse[None, None], like.shape, mode="bicubic")[0, 0]
    slope = torch.hypot(*torch.gradient(field)).clamp(min=1e-3)
    from_contour = (field - (0.0 if thin else 0.7)) / slope  # px, about
    inside = between(LINE, generator) - from_contour.abs() if thin else from_contour
    return (inside + 0.5).clamp(0, 1)
