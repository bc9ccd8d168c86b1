"""Write PNG of 16 bits with text, which neither OpenCV nor Pillow writes for colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from burst.lazy import cv2

# Signature (8 bytes) and the IHDR chunk (25): text may follow anywhere after them.
_AFTER_HEADER = 33


def plain_png(image: np.ndarray) -> bytes:
    """Return a PNG of an image [h, w(, 3)] uint8 or uint16, red first."""
    pixels = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    return cv2.imencode(".png", pixels)[1].tobytes()


def encode_png(image: np.ndarray, keyword: str, text: str, profile: bytes | None = None) -> bytes:
    """Return a PNG of an image [h, w(, 3)] uint16, red first, with text and an ICC profile."""
    encoded = plain_png(image)
    icc = b"" if profile is None else _chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile, 9))
    return encoded[:_AFTER_HEADER] + icc + _text_chunk(keyword, text) + encoded[_AFTER_HEADER:]


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the content of every chunk of a PNG."""
    position = 8
    while position + 8 <= len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        yield kind, png[position + 8 : position + 8 + length]
        position += length + 12


def significant_bits(png: bytes) -> int | None:
    """Return the significant bits (sBIT), the least of the colours; None if not stated."""
    found = next((data for kind, data in chunks(png) if kind == b"sBIT" and data), None)
    return min(found[:3]) if found else None


def _text_chunk(keyword: str, text: str) -> bytes:
    # iTXt: keyword, then no compression, no language, no translated keyword, then the text.
    data = keyword.encode("latin-1") + b"\0" + b"\0\0" + b"\0\0" + text.encode("utf-8")
    return _chunk(b"iTXt", data)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
