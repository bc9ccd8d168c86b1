"""ICC profiles of displays, linear or encoded by the sRGB curve, made of their primaries."""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from burst.ops import color
from burst.records import ColourSpace

# Of the profile connection space (ICC.1:2001-04, A.1).
WHITE_D50 = (0.9642, 1.0, 0.8249)
# Cone responses of Bradford, by which white is adapted.
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
CURVE_POINTS = 4096
NAMES = {"srgb": "sRGB", "display-p3": "Display P3"}


@lru_cache(maxsize=4)
def profile(space: ColourSpace, linear: bool) -> bytes:
    """Return an ICC profile (version 2.4, matrix and curves) of a space."""
    name = f"{NAMES[space]}{' linear' if linear else ''}"
    to_pcs = _adaptation() @ color.xyz_of(space)
    curve = _curve(linear)
    tags = {
        b"desc": _description(name),
        b"cprt": b"text" + bytes(4) + b"No copyright\0",
        b"wtpt": _xyz(WHITE_D50),
        b"rXYZ": _xyz(to_pcs[:, 0]),
        b"gXYZ": _xyz(to_pcs[:, 1]),
        b"bXYZ": _xyz(to_pcs[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    return _file(tags)


def _file(tags: dict[bytes, bytes]) -> bytes:
    table, data, places = b"", b"", {}
    start = 128 + 4 + 12 * len(tags)
    for signature, content in tags.items():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        table += signature + struct.pack(">II", places[content], len(content))
    head = struct.pack(
        ">I4sI4s4s4s6H4s4sI4s4sQI", start + len(data), bytes(4), 0x02400000, b"mntr", b"RGB ",
        b"XYZ ", 2026, 1, 1, 0, 0, 0, b"acsp", bytes(4), 0, bytes(4), bytes(4), 0, 0,
    )  # fmt: skip
    return (
        (head + _numbers(WHITE_D50)).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data
    )


def _adaptation() -> np.ndarray:
    """Return the matrix that makes the white of D65 that of D50."""
    x, y = color.WHITE_D65
    cones = BRADFORD @ np.array([x / y, 1, (1 - x - y) / y])
    adapted = np.diag(BRADFORD @ WHITE_D50 / cones)
    return np.asarray(np.linalg.inv(BRADFORD) @ adapted @ BRADFORD)


def _numbers(values: tuple[float, ...] | np.ndarray) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz(values: tuple[float, ...] | np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(values)


def _curve(linear: bool) -> bytes:
    """Return the curve of a channel: none, or that of sRGB."""
    y = np.linspace(0, 1, 0 if linear else CURVE_POINTS)
    light = np.where(y <= 0.04045, y / 12.92, ((y + 0.055) / 1.055) ** 2.4)
    values: bytes = np.rint(light * 65535).astype(">u2").tobytes()
    return b"curv" + bytes(4) + struct.pack(">I", len(y)) + values


def _description(name: str) -> bytes:
    text = name.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
