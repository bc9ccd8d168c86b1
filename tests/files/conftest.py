"""Small stacks, and writers of the formats that no library writes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def frames() -> np.ndarray:
    """Smooth 12-bit frames [3, 32, 40] that differ."""
    y, x = np.mgrid[:32, :40]
    return np.stack([100 * (k + 1) + 40 * y + 30 * x for k in range(3)]).astype(np.uint16)


@pytest.fixture
def write_ser() -> Callable[..., Path]:
    return _write_ser


@pytest.fixture
def write_dng() -> Callable[..., Path]:
    return _write_dng


@pytest.fixture
def data() -> Path:
    """The folder of public recordings, which is no part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"no recordings in {DATA}")
    return DATA


def _write_ser(
    path: Path,
    frames: np.ndarray,
    *,
    color: int = 0,
    flag: int = 0,
    bits: int = 12,
    tail: bytes = b"",
) -> Path:
    count, height, width = frames.shape[:3]
    numbers = struct.pack("<7i", 0, color, flag, width, height, bits, count)
    header = b"LUCAM-RECORDER" + numbers + bytes(120) + bytes(16)
    path.write_bytes(header + frames.tobytes() + tail)
    return path


def _write_dng(
    path: Path,
    mosaic: np.ndarray,
    *,
    cfa: str = "RGGB",
    black: tuple[int, ...] = (10, 20, 30, 40),
    white: int = 4095,
    orientation: int = 1,
) -> Path:
    import tifffile

    pattern = bytes("RGB".index(color) for color in cfa)
    identity = [n for row in np.eye(3, dtype=int) for one in row for n in (int(one), 1)]
    tags = [
        (274, "H", 1, orientation, False),
        (33421, "H", 2, (2, 2), False),
        (33422, "B", 4, pattern, False),
        (33434, "2I", 1, (1, 100), False),
        (34855, "H", 1, 200, False),
        (50706, "B", 4, b"\1\4\0\0", False),
        (50707, "B", 4, b"\1\1\0\0", False),
        (50708, "s", 0, "Test camera", False),
        (50713, "H", 2, (2, 2), False),
        (50714, "H", 4, black, False),
        (50717, "H", 1, white, False),
        (50721, "2i", 9, identity, False),
        (50728, "2I", 3, [1, 2, 1, 1, 5, 8], False),
        (50778, "H", 1, 21, False),
        (51041, "d", 2, (1e-4, 1e-6), False),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags, metadata=None, subfiletype=0)
    return path
