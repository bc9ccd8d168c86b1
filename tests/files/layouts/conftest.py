"""Writers of small sets in the very layouts that are published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

SIZE = (20, 24)


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    """Return a function that makes a colour image [h, w, 3] uint8, red first, by its number."""

    def make(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
        return np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)

    return make


@pytest.fixture
def put(picture) -> Callable[..., Path]:
    """Return a function that writes the picture of a number as PNG, making the folders."""

    def write(path: Path, number: int, size: tuple[int, int] = SIZE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(number, size)[..., ::-1])
        return path

    return write
