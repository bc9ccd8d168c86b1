"""Scenes to simulate from: image files, and images that scikit-image includes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage
from einops import rearrange

from burst.lazy import cv2, torch
from burst.ops import color
from burst.records import StackError
from burst.settings import did_you_mean

# Those that scikit-image carries in its package; the others it would have to download.
SCENES = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "moon",
    "page", "rocket", "text",
)  # fmt: skip
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def list_scenes(folders: Sequence[str]) -> list[list[str]]:
    """Return the images of every folder, sorted; without folders those of scikit-image. StackError
    if a folder has none."""
    return [_images_in(Path(folder)) for folder in folders] or [list(SCENES)]


def read_scene(image: str) -> torch.Tensor:
    """Return a scene [h, w], linear in [0, 1], from a file or a name in SCENES."""
    linear = _read_linear(image)
    return linear if linear.ndim == 2 else color.luminance(linear)


def read_colours(image: str) -> torch.Tensor:
    """Return a scene [3, h, w], linear in [0, 1], as `read_scene` does; a grey one three times."""
    linear = _read_linear(image)
    return linear if linear.ndim == 3 else linear.expand(3, -1, -1)


def _read_linear(image: str) -> torch.Tensor:
    """Return the light [h, w] or [3, h, w] of an image that is encoded for a display."""
    pixels = _read_pixels(image)
    display = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    linear = color.display_to_linear(display)
    return linear if linear.ndim == 2 else rearrange(linear, "h w c -> c h w")


def _read_pixels(image: str) -> np.ndarray:
    """Return pixels [h, w] or [h, w, 3] (red first); StackError if there is no such image."""
    if image in SCENES:
        pixels: np.ndarray = getattr(skimage.data, image)()
        return pixels
    if not Path(image).is_file():
        raise StackError(
            f"--image {image}: expected a file or one of {', '.join(SCENES)}, found neither."
            f"{did_you_mean(image, SCENES)}"
        )
    read = cv2.imread(image, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR_RGB)
    if read is None:
        raise StackError(f"--image {image}: expected an image, found a file that cannot be read.")
    return read


def _images_in(folder: Path) -> list[str]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    images = [str(path) for path in found if path.suffix.lower() in SUFFIXES]
    if not images:
        raise StackError(
            f"--images {folder}: expected a folder with images, found none. Pass folders of"
            f" {', '.join(SUFFIXES)} files."
        )
    return images
