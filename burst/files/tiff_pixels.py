"""Decode the numbers of TIFF pages, including those that tifffile alone does not decode."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.quiet import quiet_opencv
from burst.lazy import cv2, tifffile
from burst.mapped import forget_now_and_then, is_large, room_for_frames
from burst.records import StackError

_LZW, _NONE = 5, 1
_WHOLE_BITS = (1, 8, 16, 32, 64)
_CONTIGUOUS = 1
_TYPES = {"H": 3, "I": 4}  # names of TIFF 6.0 section 2 by those of struct


def decode_series(path: Path, tiff: Any, series: Any) -> np.ndarray:
    """Return all pages of a series as stored: mapped where they are not compressed, decoded one by
    one to a scratch file where they are many."""
    page = series.keyframe
    if page.bitspersample not in _WHOLE_BITS and page.compression == _NONE and not page.is_tiled:
        return _decode_each_page(series, lambda one: _unpack_bits(tiff, one))
    if series.dataoffset is not None:
        return tifffile.memmap(path, series=tiff.series.index(series), mode="r")
    try:
        if is_large(series.shape, series.dtype):
            return _decode_each_page(series, lambda one: one.asarray())
        return np.asarray(series.asarray())
    except (ValueError, KeyError, NotImplementedError) as error:
        if "imagecodecs" not in str(error):
            raise
        if page.compression == _LZW and page.bitspersample in (8, 16, 32):
            return _decode_each_page(series, lambda one: _decode_lzw(tiff, one))
        raise StackError(
            f"{path}: expected pages that tifffile decodes by itself, found"
            f" {page.compression.name} of {page.bitspersample} bits. Install the decoders, pip"
            " install imagecodecs, or save it again without compression."
        ) from error


def _decode_each_page(series: Any, decode: Any) -> np.ndarray:
    pages = list(series.pages)
    first = decode(series.keyframe)
    made = room_for_frames((len(pages), *first.shape), first.dtype)
    for number, page in enumerate(pages):
        made[number] = first if page is None else decode(page)
        forget_now_and_then(made, number)
    return made.reshape(series.shape)


def _segments(tiff: Any, page: Any) -> list[bytes]:
    """Return the strips or tiles of a page as stored."""
    found = []
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        tiff.filehandle.seek(offset)
        found.append(tiff.filehandle.read(count))
    return found


def _unpack_bits(tiff: Any, page: Any) -> np.ndarray:
    """Return the numbers of an uncompressed page of 2 to 31 bits; every row starts a byte."""
    key = page.keyframe
    bits, samples = key.bitspersample, key.samplesperpixel
    rows = key.imagelength * (1 if key.planarconfig == _CONTIGUOUS else samples)
    values = key.imagewidth * (samples if key.planarconfig == _CONTIGUOUS else 1)
    row_bytes = -(-values * bits // 8)
    data = np.frombuffer(b"".join(_segments(tiff, page)), np.uint8)[: rows * row_bytes]
    digits = np.unpackbits(data.reshape(rows, row_bytes), axis=1)[:, : values * bits]
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint32)
    numbers = digits.reshape(rows, values, bits).astype(np.uint32) @ weights
    return np.asarray(numbers.astype(key.dtype).reshape(key.shape))


def _decode_lzw(tiff: Any, page: Any) -> np.ndarray:
    """Return the numbers of an LZW page through the libtiff in OpenCV. Each plane is wrapped as a
    grey file, so that only the compression is undone."""
    key, segments = page.keyframe, _segments(tiff, page)
    planes = 1 if key.planarconfig == _CONTIGUOUS else key.samplesperpixel
    each = len(segments) // planes
    decoded = [
        _through_opencv(tiff, key, segments[k * each : (k + 1) * each]) for k in range(planes)
    ]
    numbers = decoded[0] if planes == 1 else np.stack(decoded)
    return numbers.reshape(key.shape)


def _through_opencv(tiff: Any, page: Any, segments: list[bytes]) -> np.ndarray:
    quiet_opencv()
    samples = page.samplesperpixel if page.planarconfig == _CONTIGUOUS else 1
    content = _tiff_around(tiff.byteorder, page, segments, samples)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise ValueError("LZW data that are damaged")
    # OpenCV returns blue first; the file has red first.
    pixels = decoded if samples == 1 else decoded[..., [2, 1, 0, 3][:samples]]
    return np.ascontiguousarray(pixels).view(page.dtype.newbyteorder("="))


def _tiff_around(order: str, page: Any, segments: list[bytes], samples: int) -> bytes:
    """Return a TIFF of one page, grey or RGB, around compressed strips or tiles."""
    start = 8
    offsets = [start + sum(map(len, segments[:k])) for k in range(len(segments))]
    counts = [len(segment) for segment in segments]
    floats = page.dtype.kind == "f"
    tags: list[tuple[int, str, list[int]]] = [
        (256, "I", [page.imagewidth]),
        (257, "I", [page.imagelength]),
        (258, "H", [page.bitspersample] * samples),
        (259, "H", [_LZW]),
        (262, "H", [1 if samples == 1 else 2]),
        (277, "H", [samples]),
        (284, "H", [_CONTIGUOUS]),
        (317, "H", [int(page.predictor)]),
        (339, "H", [3 if floats else 1] * samples),
    ]
    if page.is_tiled:
        tags += [(322, "I", [page.tilewidth]), (323, "I", [page.tilelength])]
        tags += [(324, "I", offsets), (325, "I", counts)]
    else:
        tags += [(278, "I", [page.rowsperstrip]), (273, "I", offsets), (279, "I", counts)]
    if samples == 4:
        tags.append((338, "H", [2]))
    data = b"".join(segments)
    directory = start + len(data) + len(data) % 2
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory)
    return head + data + b"\0" * (len(data) % 2) + _directory(order, directory, sorted(tags))


def _directory(order: str, place: int, tags: list[tuple[int, str, list[int]]]) -> bytes:
    """Return the directory of tags at a place in the file, followed by their values."""
    entries, behind = b"", b""
    beyond = place + 2 + 12 * len(tags) + 4
    for code, kind, values in tags:
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        entries += struct.pack(f"{order}HHI", code, _TYPES[kind], len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", beyond + len(behind))
            behind += packed + b"\0" * (len(packed) % 2)
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind
