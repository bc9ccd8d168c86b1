"""Write a restored image as DNG: linear colours of the camera without a mosaic, which raw
developers open, with the tags of the frames that it was made of."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.exif import text_tags
from burst.lazy import tifffile
from burst.ops import color
from burst.records import Sensor

_LINEAR_RAW = 34892
_MAKE, _MODEL, _LENS, _TAKEN, _ISO, _EXPOSURE_TIME = 271, 272, 42036, 306, 34855, 33434
_ARTIST, _COPYRIGHT = 315, 33432
# Of the first frame, as they are: maker, camera, lens, date, artist, rights.
CARRIED = (_MAKE, _MODEL, _LENS, _TAKEN, _ARTIST, _COPYRIGHT)
_D65 = 21  # of EXIF's LightSource
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 2, 3, 4, 5, 10
DENOMINATOR = 1_000_000
WHITE = 65535


def write_dng(path: Path, image: np.ndarray, sensor: Sensor, note: str, like: Path | None) -> None:
    """Write linear camera colours [h, w, 3], upright, 0 to 1, with tags of the frame `like`."""
    matrix = np.linalg.inv(
        color.SRGB_TO_XYZ @ color.camera_to_srgb(sensor) @ np.diag(sensor.white_balance)
    )
    carried = text_tags(like, CARRIED) if like is not None else {}
    tags = [
        (50706, _BYTE, 4, (1, 4, 0, 0), True),  # version of DNG, and the oldest that reads it
        (50707, _BYTE, 4, (1, 1, 0, 0), True),
        (50708, _ASCII, 0, carried.get(_MODEL, "burst"), True),
        (50714, _SHORT, 3, (0, 0, 0), True),
        (50717, _LONG, 3, (WHITE, WHITE, WHITE), True),
        (50721, _SRATIONAL, 9, _rationals(matrix.ravel()), True),
        (50728, _RATIONAL, 3, _rationals(1 / np.asarray(sensor.white_balance)), True),
        (50778, _SHORT, 1, _D65, True),
        *((code, _ASCII, 0, text, True) for code, text in carried.items()),
    ]
    if sensor.exposure_time:
        tags.append((_EXPOSURE_TIME, _RATIONAL, 1, _rationals([sensor.exposure_time]), True))
    if sensor.iso:
        tags.append((_ISO, _SHORT, 1, round(min(sensor.iso, WHITE)), True))
    pixels = np.rint(np.clip(image, 0, 1) * WHITE).astype(np.uint16)
    tifffile.imwrite(
        path, pixels, photometric=_LINEAR_RAW, description=note, metadata=None, software=False,
        extratags=sorted(tags, key=lambda tag: int(tag[0])),
    )  # fmt: skip


def _rationals(values: Any) -> tuple[int, ...]:
    """Return numbers as numerators and denominators, one after another."""
    exact = [Fraction(float(value)).limit_denominator(DENOMINATOR) for value in values]
    return tuple(part for value in exact for part in (value.numerator, value.denominator))
