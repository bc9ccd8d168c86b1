"""Keywords of FITS headers: colours, order of the rows, levels, times."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from burst.log import LOG
from burst.records import BAYER_PATTERNS, NoiseModel, Sensor, StackError

Header = Mapping[str, Any]

_SECONDS_PER_DAY = 86400.0
_COLOUR_WORDS = ("RGB", "COLOR", "COLOUR", "BGR")
_FRAME_WORDS = ("TIME", "FRAME", "UTC", "TDB", "SEQUENCE")
# SharpCap, NINA, INDI, Siril and most others; then MaxIm DL, ZWO, older ones.
_PATTERN_KEYS = ("BAYERPAT", "COLORTYP", "CFAPAT", "CFA", "BAYER")


def text(header: Header, key: str) -> str:
    """Return a value as text without surrounding blanks; empty if there is none."""
    value = header.get(key)
    return value.strip() if isinstance(value, str) else ""


def number(header: Header, *keys: str) -> float | None:
    """Return the first positive value among keys; None if there is none."""
    for key in keys:
        value = header.get(key)
        if isinstance(value, (int, float)) and math.isfinite(value) and value > 0:
            return float(value)
    return None


def row_order(path: Path, header: Header) -> Literal["TOP-DOWN", "BOTTOM-UP"]:
    """Return where row 0 is displayed; the top without ROWORDER, as cameras write it."""
    stated = text(header, "ROWORDER").upper().replace("_", "-").replace(" ", "-")
    if stated == "BOTTOM-UP":
        return "BOTTOM-UP"
    if stated not in ("", "TOP-DOWN"):
        LOG.warning("%s: ROWORDER '%s' is neither TOP-DOWN nor BOTTOM-UP.", path, stated)
    return "TOP-DOWN"


def frame_kind(header: Header) -> str:
    """Return the type of a frame: LIGHT, DARK, FLAT or BIAS; empty if unknown."""
    stated = (text(header, "IMAGETYP") or text(header, "FRAME")).upper()
    return next((kind for kind in ("LIGHT", "DARK", "FLAT", "BIAS") if kind in stated), "")


def planes_meaning(header: Header) -> Literal["colours", "frames", ""]:
    """Return what the planes of a cube are according to the header; empty if unknown."""
    third = text(header, "CTYPE3").upper()
    spaces = [text(header, key).upper() for key in ("COLORSPC", "COLORSPACE", "CSPACE", "COLORTYP")]
    if third in _COLOUR_WORDS or any(space in _COLOUR_WORDS for space in spaces):
        return "colours"
    return "frames" if third in _FRAME_WORDS or "MONO" in spaces else ""


def sensor_from_header(header: Header, sensor: Sensor) -> Sensor:
    """Return a sensor with the colours, white level, noise and exposure of a header. The offsets of
    the pattern (XBAYROFF, YBAYROFF) count columns from the left and rows from the top of the
    displayed picture."""
    white = number(header, "SATURATE") or sensor.white_level
    return replace(
        sensor,
        white_level=white,
        cfa=_pattern(header),
        noise=_noise(header, white),
        exposure_time=number(header, "EXPTIME", "EXPOSURE") or sensor.exposure_time,
    )


def start_time(header: Header) -> float | None:
    """Return when an exposure began, in seconds; None if the header does not state it."""
    date, time = text(header, "DATE-OBS") or text(header, "DATE-BEG"), ""
    if date and "T" not in date:
        time = text(header, "TIME-OBS") or text(header, "UT") or text(header, "UTC")
    try:
        written = datetime.fromisoformat(f"{date}T{time}" if time else date)
    except ValueError:
        days = number(header, "MJD-OBS", "MJD", "JD")
        return None if days is None else days * _SECONDS_PER_DAY
    if "T" not in date and not time:
        return None
    return written.replace(tzinfo=written.tzinfo or UTC).timestamp()


def _pattern(header: Header) -> str:
    """Return the colours of the 2x2 cell at the top left of the displayed picture."""
    stated = next((word for key in _PATTERN_KEYS if (word := _pattern_in(header, key))), "")
    if not stated:
        return "mono"
    if stated not in BAYER_PATTERNS:
        raise StackError(
            f"cfa: expected a Bayer pattern such as RGGB, found '{stated}', which is not read."
            " Turn the frames into luminance, or correct the header."
        )
    x, y = (_offset(header, key) for key in ("XBAYROFF", "YBAYROFF"))
    cell = [stated[:2], stated[2:]]
    return "".join(row[x:] + row[:x] for row in cell[y:] + cell[:y])


def _offset(header: Header, key: str) -> int:
    """Return an offset of the pattern, 0 or 1; StackError if it is not a whole number."""
    value = header.get(key, 0)
    if not isinstance(value, (int, float)) or value != round(value):
        raise StackError(f"{key}: expected a whole number of pixels, found '{value}'.")
    return int(value) % 2


def _pattern_in(header: Header, key: str) -> str:
    """Return the pattern under a key; empty where it states that there is none. The first key is
    for patterns only; the others also name formats, such as RAW16."""
    word = text(header, key).upper()
    none = ("", "MONO", "NONE", "MONOCHROME", "GREY", "GRAY", "GRAYSCALE", "LUM", *_COLOUR_WORDS)
    is_pattern = key == _PATTERN_KEYS[0] or re.fullmatch("[RGBCMYWE]{4,}", word)
    return word if is_pattern and word not in none else ""


def _noise(header: Header, white: float) -> NoiseModel | None:
    """Return the noise of linear values from EGAIN (electrons per DN) and RDNOISE (electrons)."""
    gain, read = number(header, "EGAIN"), number(header, "RDNOISE", "READNOIS", "RONOISE")
    if gain is None or read is None:
        return None
    return NoiseModel(shot=1 / (gain * white), read=(read / gain / white) ** 2)
