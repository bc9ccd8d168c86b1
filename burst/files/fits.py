"""Read FITS cubes through astropy (the extra `astro`)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.check import explained, naming
from burst.records import Sensor, StackError

_ADVICE = "Save the frames as one cube (n, h, w) of 16-bit integers."


def read_fits(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of the first image in the file, and exposure and saturation of it."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise StackError(
            f"{path}: expected astropy for FITS files, found it missing."
            " Install it: pip install 'burst[astro]'."
        ) from error
    with explained(path, "a FITS cube", _ADVICE), fits.open(path, memmap=False) as units:
        images = [unit for unit in units if unit.is_image and unit.data is not None]
        found = (np.asarray(images[0].data), dict(images[0].header)) if images else None
    if found is None:
        raise StackError(f"{path}: expected a FITS cube, found no image in it. {_ADVICE}")
    with naming(path):
        return found[0], _sensor(*found)


def _sensor(array: np.ndarray, header: dict[str, Any]) -> Sensor:
    sensor = Sensor(white_level=255) if array.dtype == np.uint8 else Sensor()
    exposure = _number(header, "EXPTIME") or _number(header, "EXPOSURE")
    white = _number(header, "SATURATE")
    return replace(
        sensor,
        exposure_time=exposure or sensor.exposure_time,
        white_level=white or sensor.white_level,
    )


def _number(header: dict[str, Any], key: str) -> float | None:
    value = header.get(key)
    good = isinstance(value, (int, float)) and math.isfinite(value) and value > 0
    return float(value) if good and value is not None else None
