"""Read PGM and PPM, binary or text, with their white level."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from burst.files.check import explained
from burst.records import StackError

_ADVICE = "Save it again as a binary PGM (P5) of one picture."
_HEADER = re.compile(rb"P([2356])" + rb"(?:\s+|\s*#[^\n]*\n)+(\d+)" * 3 + rb"(?:\s*#[^\n]*\n|\s)")
_COLOUR_KINDS = (3, 6)
_TEXT_KINDS = (2, 3)


def read_pnm(path: Path) -> tuple[np.ndarray, int]:
    """Return pixels [h, w], or [h, w, 3] blue first, and the maximum that the header states."""
    with explained(path, "a PGM or PPM picture", _ADVICE):
        data = path.read_bytes()
        header = _HEADER.match(data)
        if header is None:
            raise StackError(
                f"{path}: expected a PGM or PPM picture (P2, P3, P5, P6), found something else."
                f" {_ADVICE}"
            )
        kind, width, height, maximum = (int(group) for group in header.groups())
        if not (width and height and 0 < maximum <= 65535):
            raise StackError(
                f"{path}: expected pixels of 1 to 16 bits, found {width} x {height} of at most"
                f" {maximum}. {_ADVICE}"
            )
        shape = (height, width, 3) if kind in _COLOUR_KINDS else (height, width)
        pixels = _pixels(path, data[header.end() :], shape, (kind in _TEXT_KINDS, maximum))
    return (pixels[..., ::-1] if pixels.ndim == 3 else pixels), maximum


def _pixels(
    path: Path, data: bytes, shape: tuple[int, ...], coding: tuple[bool, int]
) -> np.ndarray:
    text, maximum = coding
    stored = np.dtype("u1") if maximum < 256 else np.dtype(">u2")
    count = int(np.prod(shape))
    if text:
        numbers = np.array(data.split(), np.int64).astype(stored)
        rest = b""
    else:
        numbers = np.frombuffer(data[: count * stored.itemsize], stored)
        rest = data[count * stored.itemsize :]
    if numbers.size != count or rest.strip():
        found = "several pictures" if rest.strip() else f"{numbers.size}"
        raise StackError(f"{path}: expected {count} values, found {found}. {_ADVICE}")
    return numbers.reshape(shape).astype(stored.newbyteorder("="))
