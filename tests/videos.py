"""Small videos that OpenCV writes, and what other programs write into their headers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

MATRICES = {  # of display, first two rows of two; degrees clockwise to an upright image
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def write_video(path: Path, frames: np.ndarray, code: str, rate: float = 30.0) -> Path:
    """Write frames [n, h, w] uint8 or uint16 grey; the test is skipped without such an encoder."""
    size = frames.shape[:0:-1]
    params = [
        cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U if frames.dtype == np.uint16 else cv2.CV_8U,
        cv2.VIDEOWRITER_PROP_IS_COLOR, int(frames.dtype == np.uint8),
    ]  # fmt: skip
    fourcc = cv2.VideoWriter.fourcc(*code)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, rate, size, params)
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {code}")
    for frame in frames:
        writer.write(frame if frame.dtype == np.uint16 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def turn(path: Path, degrees: int) -> Path:
    """Have the header of an MP4 turn its frames clockwise, as phones do."""
    a, b, c, d = (65536 * number for number in MATRICES[degrees])

    def turned(box: bytes) -> bytes:
        matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        return box[:48] + matrix + box[84:]

    return _rewrite(path, b"tkhd", turned)


def stamp(path: Path, steps: list[int]) -> Path:
    """Give the frames of an MP4 these durations, in units of its time scale."""

    def stamped(box: bytes) -> bytes:
        entries = b"".join(struct.pack(">II", 1, step) for step in steps)
        return struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(steps)) + entries

    return _rewrite(path, b"stts", stamped)


def duration(path: Path) -> int:
    """Return what one frame of an MP4 lasts, in units of its time scale."""
    data = path.read_bytes()
    return struct.unpack_from(">I", data, data.index(b"stts") + 16)[0]


def _rewrite(path: Path, kind: bytes, change: Callable[[bytes], bytes]) -> Path:
    """Replace the first box of a kind, and correct the lengths of all that hold it."""
    data = bytearray(path.read_bytes())
    place = data.index(kind) - 4
    length = int.from_bytes(data[place : place + 4], "big")
    new = change(bytes(data[place : place + length]))
    for outer in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = data.index(outer) - 4
        end = at + int.from_bytes(data[at : at + 4], "big")
        if at < place < end:
            data[at : at + 4] = (end - at + len(new) - length).to_bytes(4, "big")
    data[place : place + length] = new
    path.write_bytes(data)
    return path
