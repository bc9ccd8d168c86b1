"""Scenes to simulate from: image files, and images that scikit-image includes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from burst.records import StackError
from burst.settings import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import torch

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
    import numpy as np
    import torch
    from einops import rearrange

    from burst.ops.color import display_to_linear, luminance

    pixels = _read_pixels(image)
    white = np.iinfo(pixels.dtype).max
    display = torch.from_numpy(pixels.astype(np.float32) / white)
    linear = display_to_linear(display)
    return linear if linear.ndim == 2 else luminance(rearrange(linear, "h w c -> c h w"))


def _read_pixels(image: str) -> np.ndarray:
    """Return pixels [h, w] or [h, w, 3] (red first); StackError if there is no such image."""
    if image in SCENES:
        import skimage.data

        pixels: np.ndarray = getattr(skimage.data, image)()
        return pixels
    import cv2

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
