"""Read the headers of a FITS file, compressed or not, without its pixels."""

from __future__ import annotations

import bz2
import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

# FITS standard 4.0, sections 3.1 and 4.1: a file is made of blocks, a header of cards.
_BLOCK = 2880
_CARD = 80
_LONGEST_HEADER = 1000 * _BLOCK

MOST_AXES = 999  # FITS standard 4.0, section 4.4.1

Shape = tuple[int, ...]


def image_shapes(path: Path) -> list[Shape]:
    """Return the shapes of all images in a file, rows last but one, without axes of length 1. Empty
    for a file that is broken or compressed in a way that only reading reveals."""
    try:
        with opened(path) as file:
            return [shape for header in _headers(file) if len(shape := _shape(header)) > 1]
    except (OSError, EOFError, ValueError, KeyError, zlib.error):
        return []


def opened(path: Path) -> Any:
    """Open a file, compressed or not, to read its content."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.open(path, "rb")
    return bz2.open(path, "rb") if suffix == ".bz2" else path.open("rb")


def most_axes(path: Path) -> int:
    """Return the largest number of axes in a header; some readers loop up to it."""
    most = 0
    try:
        with opened(path) as file:
            for header in _headers(file):
                most = max(most, int(header["NAXIS"]))
    except (OSError, EOFError, ValueError, KeyError, zlib.error):
        # Reading reports what is broken; an absurd number of axes ends the list, too.
        return most
    return most


def is_colour(shape: Shape) -> bool:
    """Return whether an image [3, h, w] may be the red, green and blue of one picture."""
    return len(shape) == 3 and shape[0] == 3


def _headers(file: IO[bytes]) -> Iterator[dict[str, str]]:
    while (header := _header(file)) is not None:
        yield header
        file.seek(_data_blocks(header) * _BLOCK, 1)


def _header(file: IO[bytes]) -> dict[str, str] | None:
    """Return the keys and values of the next header; None at the end of the file."""
    cards: dict[str, str] = {}
    for _ in range(_LONGEST_HEADER // _BLOCK):
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            return None
        for start in range(0, _BLOCK, _CARD):
            card = block[start : start + _CARD].decode("ascii", "replace")
            if card.rstrip() == "END":
                return cards
            if card[8:10] == "= ":
                cards[card[:8].strip()] = card[10:].split("/")[0].strip(" '")
    return None


def _data_blocks(header: dict[str, str]) -> int:
    if int(header["NAXIS"]) > MOST_AXES:
        raise ValueError(f"{header['NAXIS']} axes")
    axes = [int(header[f"NAXIS{k + 1}"]) for k in range(int(header["NAXIS"]))]
    values = math.prod(axes) if axes else 0
    groups, extra = int(header.get("GCOUNT", 1)), int(header.get("PCOUNT", 0))
    bytes_in_all = abs(int(header["BITPIX"])) // 8 * groups * (extra + values)
    return -(-bytes_in_all // _BLOCK)


def _shape(header: dict[str, str]) -> Shape:
    """Return the shape of an image, plain or compressed (.fz); empty for tables."""
    packed = header.get("ZIMAGE") == "T"
    if header.get("XTENSION", "IMAGE") != "IMAGE" and not packed:
        return ()
    name = "ZNAXIS" if packed else "NAXIS"
    axes = [int(header[f"{name}{k + 1}"]) for k in range(int(header.get(name, 0)))]
    return tuple(side for side in reversed(axes) if side != 1)
