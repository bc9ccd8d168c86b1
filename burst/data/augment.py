"""Geometric augmentation of scenes: random crop, scale, flips and quarter turns."""

from __future__ import annotations

import os

import numpy as np

from burst.config import ConfigError

LARGEST_REDUCTION = 2  # a scene made half as large has sharper pixels than its camera gave it


def draw_view(scene: np.ndarray, side: int, seed: int) -> np.ndarray:
    """Draw a square view of a scene [h, w], `side` px or, where the scene is smaller, all of it.

    The view covers 1 to 2 times its side of the scene, as far as the scene reaches.
    """
    # The import asks a server for the newest version unless it is told not to.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ModuleNotFoundError as error:
        raise ConfigError(
            "samples: expected the package albumentations, found none."
            " Install what training needs by pip install 'burst[train]'."
        ) from error
    shorter = min(scene.shape)
    side = min(side, shorter)
    crop = albumentations.RandomSizedCrop(
        (side, min(LARGEST_REDUCTION * side, shorter)), (side, side), area_for_downscale="image"
    )
    drawn: np.ndarray = albumentations.Compose([crop, albumentations.D4(p=1)], seed=seed)(
        image=np.ascontiguousarray(scene)
    )["image"]
    return np.ascontiguousarray(drawn)
