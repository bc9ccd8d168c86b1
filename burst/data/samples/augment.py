"""Geometric augmentation of scenes: random crop, scale, flips and quarter turns."""

from __future__ import annotations

import os

import cv2
import numpy as np

from burst.about import optional
from burst.settings import ConfigError

REDUCTIONS = (1.0, 2.0)


def draw_view(
    scene: np.ndarray, side: int, seed: int, reductions: tuple[float, float] = REDUCTIONS
) -> np.ndarray:
    """Draw a square view of a scene [h, w] or [h, w, c], `side` px or, where the scene is
    smaller, all of it.

    Each side of the view covers `side` times a factor of the scene, drawn between the two
    `reductions` and limited by the scene. A reduced scene is sharper than its camera took it, an
    enlarged one softer.
    """
    # Otherwise the import asks a server for the newest version.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    albumentations = optional("albumentations", "train", ConfigError, "samples")
    shorter = min(scene.shape[:2])
    side = min(side, shorter)
    least, most = sorted(min(round(reduction * side), shorter) for reduction in reductions)
    crop = albumentations.RandomSizedCrop(
        (least, most), (side, side), interpolation=cv2.INTER_CUBIC, area_for_downscale="image"
    )
    drawn: np.ndarray = albumentations.Compose([crop, albumentations.D4(p=1)], seed=seed)(
        image=np.ascontiguousarray(scene)
    )["image"]
    # Cubic interpolation overshoots at edges, and light is never negative.
    return np.ascontiguousarray(drawn.clip(scene.min(), scene.max()))
