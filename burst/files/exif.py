"""Read EXIF tags of JPEG and PNG: orientation, exposure, and date."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from burst.files.png import chunks

# Tags of EXIF 2.3 and TIFF 6.0.
_ORIENTATION, _EXIF = 0x0112, 0x8769
_EXPOSURE, _ISO, _TAKEN, _SUBSECOND = 0x829A, 0x8827, 0x9003, 0x9291

_BYTES = {2: 1, 3: 2, 4: 4, 5: 8}  # text, 16 and 32 bits, a fraction of two 32 bits
_MOST_TAGS = 1000


@dataclass(frozen=True)
class ExifTags:
    """Orientation (1 to 8), exposure (s), ISO, and date and time of the shot (s)."""

    orientation: int = 1
    exposure_time: float | None = None
    iso: float | None = None
    taken: float | None = None


def read_exif(path: Path) -> ExifTags:
    """Return the tags; the defaults for a file without EXIF or with a broken one."""
    try:
        return _exif_of(_block(path.read_bytes()))
    except (OSError, struct.error, ValueError, IndexError):
        return ExifTags()


def seconds_of(date: str | None, subsecond: str | None) -> float | None:
    """Return the seconds of an EXIF date, "2024:05:06 07:08:09", and its fractional digits."""
    try:
        whole = datetime.strptime((date or "").strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    digits = (subsecond or "").strip("\0 ")
    return whole.replace(tzinfo=UTC).timestamp() + (
        float(f"0.{digits}") if digits.isdigit() else 0.0
    )


def _block(data: bytes) -> bytes:
    """Return the EXIF block, which has the structure of a TIFF; empty if there is none."""
    if data.startswith(b"\x89PNG"):
        return next((content for kind, content in chunks(data) if kind == b"eXIf"), b"")
    place = 2 if data.startswith(b"\xff\xd8") else len(data)
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, place + 2)
        if data[place + 1] == 0xE1 and data.startswith(b"Exif\0\0", place + 4):
            return data[place + 10 : place + 2 + length]
        place += 2 + length
    return b""


def _exif_of(block: bytes) -> ExifTags:
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return ExifTags()
    order = "<" if block[:1] == b"I" else ">"
    tags = _tags(block, order, *struct.unpack_from(order + "I", block, 4))
    inner = tags.get(_EXIF)
    tags |= _tags(block, order, inner) if isinstance(inner, int) else {}
    orientation = tags.get(_ORIENTATION, 1)
    return ExifTags(
        orientation=orientation if orientation in range(1, 9) else 1,  # type: ignore[arg-type]
        exposure_time=_positive(tags.get(_EXPOSURE)),
        iso=_positive(tags.get(_ISO)),
        taken=seconds_of(_text(tags.get(_TAKEN)), _text(tags.get(_SUBSECOND))),
    )


def _tags(block: bytes, order: str, place: int) -> dict[int, object]:
    """Return the values of one directory of tags, of the types in `_BYTES`."""
    (count,) = struct.unpack_from(order + "H", block, place)
    values: dict[int, object] = {}
    for entry in range(place + 2, place + 2 + 12 * min(count, _MOST_TAGS), 12):
        code, kind, number = struct.unpack_from(order + "HHI", block, entry)
        if kind not in _BYTES:
            continue
        inside = _BYTES[kind] * number <= 4
        start = entry + 8 if inside else struct.unpack_from(order + "I", block, entry + 8)[0]
        values[code] = _value(block, order, kind, start, number)
    return values


def _value(block: bytes, order: str, kind: int, start: int, number: int) -> object:
    if kind == 2:
        return block[start : start + number].decode("ascii", "replace")
    if kind == 5:
        above, below = struct.unpack_from(order + "II", block, start)
        return above / below if below else 0.0
    return struct.unpack_from(order + ("H" if kind == 3 else "I"), block, start)[0]


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
