"""Read the TIFF and EXIF tags of a raw file that LibRaw does not return."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from burst.files.exif import seconds_of
from burst.files.quiet import quiet_tifffile
from burst.records import NoiseModel

_NOISE_PROFILE = 51041
_ISO = 34855
_EXPOSURE_TIME = 33434
_EXIF = 34665
_TAKEN, _SUBSECOND, _DATE, _LENS = 36867, 37521, 306, 42036
_EXIF_NAMES = {
    _ISO: "ISOSpeedRatings",
    _EXPOSURE_TIME: "ExposureTime",
    _TAKEN: "DateTimeOriginal",
    _LENS: "LensModel",
    _SUBSECOND: "SubsecTimeOriginal",
}


@dataclass(frozen=True)
class RawTags:
    """Noise of linear values (DNG NoiseProfile, mean of the colours), ISO, exposure (s), and date
    and time of the shot (s)."""

    noise: NoiseModel | None = None
    iso: float | None = None
    exposure_time: float | None = None
    taken: float | None = None


def read_tags(path: Path) -> RawTags:
    """Return the tags; empty for raw files that are not TIFF inside (CR3, RAF)."""
    quiet_tifffile()
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = list(_pages(tiff))
            noise, iso = _find(pages, _NOISE_PROFILE), _find(pages, _ISO)
            taken = seconds_of(_text(_find(pages, _TAKEN)), _text(_find(pages, _SUBSECOND)))
            return RawTags(
                _noise(noise), _number(iso), _number(_find(pages, _EXPOSURE_TIME)), taken
            )
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, OSError):
        return RawTags()


def text_tags(path: Path, codes: Sequence[int]) -> dict[int, str]:
    """Return the texts that a raw file states, in TIFF or EXIF tags, by code; the date is that of
    the shot. Empty for raw files that are not TIFF inside."""
    quiet_tifffile()
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = list(_pages(tiff))
            found = {code: _text(_find(pages, code)) for code in codes}
            found[_DATE] = _text(_find(pages, _TAKEN)) or found.get(_DATE)
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, OSError):
        return {}
    return {code: text for code, text in found.items() if code in codes and text}


def _pages(tiff: Any) -> Iterator[Any]:
    for page in tiff.pages:
        yield page
        yield from page.pages or ()


def _find(pages: list[Any], code: int) -> Any:
    for page in pages:
        if code in page.tags:
            return page.tags[code].value
        exif = page.tags[_EXIF].value if _EXIF in page.tags else {}
        if _EXIF_NAMES.get(code) in exif:
            return exif[_EXIF_NAMES[code]]
    return None


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
