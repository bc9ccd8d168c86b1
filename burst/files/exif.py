"""Read what TIFF and EXIF tags say of a shot: of a camera raw file, a JPEG or a PNG."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.png import chunks
from burst.files.quiet import quiet_tifffile
from burst.lazy import tifffile
from burst.records import NoiseModel

# Tags of TIFF 6.0, EXIF 2.3 and DNG 1.4.
_ORIENTATION, _DATE, _EXIF, _NOISE_PROFILE = 274, 306, 34665, 51041
_EXPOSURE_TIME, _ISO, _TAKEN, _SUBSECOND, _LENS = 33434, 34855, 36867, 37521, 42036
_OF_SHOT = (_ORIENTATION, _NOISE_PROFILE, _ISO, _EXPOSURE_TIME, _TAKEN, _SUBSECOND)
# What tifffile calls those of EXIF.
_EXIF_NAMES = {
    _ISO: "ISOSpeedRatings",
    _EXPOSURE_TIME: "ExposureTime",
    _TAKEN: "DateTimeOriginal",
    _LENS: "LensModel",
    _SUBSECOND: "SubsecTimeOriginal",
}


@dataclass(frozen=True)
class ShotTags:
    """Orientation (1 to 8), noise of linear values (DNG NoiseProfile, mean of the colours), ISO,
    exposure (s), and date and time of the shot (s)."""

    orientation: int = 1
    noise: NoiseModel | None = None
    iso: float | None = None
    exposure_time: float | None = None
    taken: float | None = None


def read_exif(path: Path) -> ShotTags:
    """Return the tags of a JPEG or a PNG; the defaults without EXIF or with a broken one."""
    try:
        return _shot(_values(io.BytesIO(_block(path.read_bytes()))))
    except (OSError, struct.error, IndexError):
        return ShotTags()


def read_tags(path: Path) -> ShotTags:
    """Return the tags of a camera raw file; the defaults for no TIFF inside (CR3, RAF)."""
    return _shot(_values(path))


def text_tags(path: Path, codes: Sequence[int]) -> dict[int, str]:
    """Return the texts that a raw file states, in TIFF or EXIF tags, by code; the date is that of
    the shot. Empty for raw files that are not TIFF inside."""
    found = _values(path, (*codes, _TAKEN))
    found[_DATE] = _text(found.get(_TAKEN)) or found.get(_DATE)
    return {code: text for code in codes if (text := _text(found.get(code)))}


def _values(source: Path | io.BytesIO, codes: Sequence[int] = _OF_SHOT) -> dict[int, Any]:
    """Return the values of tags by code, each from the first page with it; none of no TIFF."""
    quiet_tifffile()
    try:
        with tifffile.TiffFile(source) as tiff:
            pages = [part for page in tiff.pages for part in (page, *(page.pages or ()))]
            return {code: _find(pages, code) for code in codes}
    except Exception:
        # Parsers of damaged files raise anything; what a shot was is only a help.
        return {}


def _find(pages: Sequence[Any], code: int) -> Any:
    for page in pages:
        if code in page.tags:
            return page.tags[code].value
        exif = page.tags[_EXIF].value if _EXIF in page.tags else {}
        if _EXIF_NAMES.get(code) in exif:
            return exif[_EXIF_NAMES[code]]
    return None


def _shot(values: dict[int, Any]) -> ShotTags:
    orientation = values.get(_ORIENTATION)
    digits = (_text(values.get(_SUBSECOND)) or "").strip("\0 ")
    return ShotTags(
        next((number for number in range(1, 9) if number == orientation), 1),
        _noise(values.get(_NOISE_PROFILE)),
        _number(values.get(_ISO)),
        _number(values.get(_EXPOSURE_TIME)),
        _seconds(_text(values.get(_TAKEN)) or "", digits),
    )


def _seconds(date: str, digits: str) -> float | None:
    """Return the seconds of an EXIF date, "2024:05:06 07:08:09", and its fractional digits."""
    try:
        whole = datetime.strptime(date.strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return whole.timestamp() + (float(f"0.{digits}") if digits.isdecimal() else 0.0)


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


def _number(value: Any) -> float | None:
    """Return a positive number, also of a rational; None for anything else."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[0] / value[1] if value[1] else 0
    if not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _noise(profile: Any) -> NoiseModel | None:
    """Return the mean over colours of the pairs (shot, read); None without valid ones."""
    pairs = np.asarray(() if profile is None else profile, np.float64).ravel()
    if pairs.size < 2 or pairs.size % 2 or not np.isfinite(pairs).all() or (pairs < 0).any():
        return None
    shot, read = pairs.reshape(-1, 2).mean(axis=0)
    return NoiseModel(float(shot), float(read))
