"""Read the length that a video's container states, to find out whether the file is truncated.

Only the outermost boxes and chunks are read, as ISO/IEC 14496-12, Microsoft's RIFF and RFC 8794
(EBML) define them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_ISO_FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_UNKNOWN_32 = (0, 0xFFFFFFFF)  # RIFF sizes that were never filled in
_PADDING = 1  # byte; chunks of odd length may lack it at the end of a file


@dataclass(frozen=True)
class Container:
    """What a video's container states.

    expected   bytes that the file should have; 0 where it is not stated
    found      bytes that it has
    counts     whether the container counts its frames
    unindexed  whether its index is missing
    seconds    duration; 0 where it is not stated
    """

    expected: int
    found: int
    counts: bool = False
    unindexed: bool = False
    seconds: float = 0.0

    @property
    def truncated(self) -> bool:
        """Whether the file ends before it should."""
        return self.found < self.expected


def read_container(path: Path) -> Container:
    """Return what a video's container states; OSError if it cannot be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(0)
        if head[4:8] in _ISO_FIRST:
            return _read_iso(file, size)
        if head[:4] == b"RIFF":
            return Container(_riff_end(file, size), size, counts=True)
        if int.from_bytes(head[:4], "big") == _EBML:
            return Container(_ebml_end(file), size)
    return Container(0, size)


def _read_iso(file: BinaryIO, size: int) -> Container:
    """Return what boxes of MP4 and QuickTime state; the duration is that after edit lists."""
    end, seconds, indexed = 0, 0.0, False
    for kind, start, end in _boxes(file, size):
        if kind == b"moov":
            indexed, seconds = True, _seconds(file, start, min(end, size))
    return Container(end, size, True, not indexed, seconds)


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, first byte and end of the boxes from here to `size`."""
    place = file.tell()
    while place + 8 <= size:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        start = place + 8
        if length == 1:
            length, start = int.from_bytes(file.read(8), "big"), place + 16
        elif length == 0:  # to the end of the file
            length = size - place
        if length < start - place:
            return
        yield kind, start, place + length
        place += length


def _seconds(file: BinaryIO, start: int, end: int) -> float:
    """Return the duration in the movie header between two bytes."""
    file.seek(start)
    for kind, inside, _ in _boxes(file, end):
        if kind == b"mvhd":
            file.seek(inside)
            version = file.read(4)[:1]
            fields = file.read(28)
            wide = version == b"\1"
            if len(fields) == 28:
                scale, duration = struct.unpack_from(
                    ">IQ" if wide else ">II", fields, 16 if wide else 8
                )
                return duration / scale if scale else 0.0
    return 0.0


def _riff_end(file: BinaryIO, size: int) -> int:
    """Return where the last RIFF chunk of an AVI ends; 0 if unknown."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length in _UNKNOWN_32:
            break
        end += 8 + length + length % 2
    return max(0, end - _PADDING)


def _ebml_end(file: BinaryIO) -> int:
    """Return where the segment of a Matroska file ends; 0 if it does not state that."""
    for _ in range(2):
        name = _vint(file, keep_marker=True)
        length = _vint(file, keep_marker=False)
        if name is None or length is None:
            return 0
        if name == _SEGMENT:
            return file.tell() + length
        file.seek(length, 1)
    return 0


def _vint(file: BinaryIO, keep_marker: bool) -> int | None:
    """Return a number of variable length; None at the end of the file and for an unknown length."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    raw = first + file.read(width - 1)
    value = int.from_bytes(raw, "big")
    if keep_marker:
        return value
    value -= 1 << 7 * width
    return None if value == (1 << 7 * width) - 1 else value
