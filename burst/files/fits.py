"""Read FITS through astropy (the extra `astro`): cubes, extensions, and single frames."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from burst import install
from burst.files.alike import check_alike
from burst.files.check import explained, naming
from burst.files.fits_headers import MOST_AXES, is_colour, most_axes
from burst.files.fits_words import (
    Header,
    colour_words,
    frame_kind,
    moment,
    row_order,
    sensor_words,
    text,
)
from burst.files.gray import frame_luminance, note_luminance
from burst.files.npy import Axis
from burst.files.times import with_times
from burst.files.values import assumed_sensor
from burst.records import Sensor, StackError

_log = logging.getLogger("burst")
_ADVICE = "Save the frames as one cube (n, h, w) of 16-bit integers."

# What programs call extensions that hold no light of their own (HST, ccdproc, fpack, SExtractor).
_NO_FRAMES = (
    "ERR", "DQ", "MASK", "UNCERT", "WEIGHT", "WHT", "VAR", "VARIANCE", "STDDEV", "FLAGS", "BPM",
    "THUMBNAIL", "PREVIEW", "BACKGROUND", "PSF",
)  # fmt: skip


@dataclass(frozen=True)
class _Unit:
    """One image of a file [h, w] or [n, h, w], in grey or a mosaic, and its header."""

    frames: np.ndarray
    header: Header
    colours: bool = False


def read_fits(path: Path, axis: Axis | None = None) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w], row 0 seen at the top, of all images in a file, and their sensor.

    StackError for one picture in colour, and for three planes that may be one; an axis says that
    these are frames.
    """
    units = _read_units(path)
    frames_alone = axis is not None or not all(is_colour(unit.frames.shape) for unit in units)
    units = [_checked_planes(path, unit, frames_alone) for unit in units]
    _check_parts(path, units)
    if len(units) > 1:
        _log.info("%s: its %d images follow one another as frames.", path, len(units))
    return _joined(path, [path] * len(units), units)


def read_fits_frames(paths: Sequence[Path]) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of files that hold one each, in grey, as mosaic or in three colours,
    which become luminance."""
    units = [_as_frame(path, _read_units(path)) for path in paths]
    _check_kinds(paths, units)
    if any(unit.colours for unit in units):
        note_luminance(paths[0].parent)
    return _joined(paths[0].parent, paths, units)


def _read_units(path: Path) -> list[_Unit]:
    try:
        from astropy.io import fits
    except ImportError as error:
        raise StackError(
            f"{path}: expected astropy for FITS files, found it missing."
            f" Install it: {install('astro')}."
        ) from error
    axes = most_axes(path)
    if axes > MOST_AXES:
        raise StackError(f"{path}: expected a FITS cube, found one of {axes} axes. {_ADVICE}")
    with (
        explained(path, "a FITS cube", _ADVICE),
        warnings.catch_warnings(action="ignore"),
        fits.open(_unpacked(path), memmap=False) as units,
    ):
        images = [
            _Unit(_squeezed(np.asarray(unit.data)), dict(unit.header))
            for unit in units
            if unit.is_image and unit.data is not None and _holds_frames(unit.header)
        ]
        primary = dict(units[0].header)
    if not images:
        raise StackError(f"{path}: expected a FITS cube, found no image in it. {_ADVICE}")
    # What holds for all extensions stands in the first header.
    return [_turned(path, replace(unit, header={**primary, **unit.header})) for unit in images]


def _unpacked(path: Path) -> Path | io.BytesIO:
    """Return a path, or the content of a packed file, whose damage is thus found at once."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return io.BytesIO(gzip.decompress(path.read_bytes()))
    return io.BytesIO(bz2.decompress(path.read_bytes())) if suffix == ".bz2" else path


def _squeezed(array: np.ndarray) -> np.ndarray:
    return array.reshape([side for side in array.shape if side != 1])


def _holds_frames(header: Any) -> bool:
    return text(header, "EXTNAME").upper().rstrip("0123456789_, ") not in _NO_FRAMES


def _turned(path: Path, unit: _Unit) -> _Unit:
    """Return a unit whose row 0 is seen at the top. A colour pattern stays: programs give that of
    the picture as it is seen, in whichever order they store its rows (as Siril documents)."""
    if row_order(path, unit.header) == "TOP-DOWN" or unit.frames.ndim < 2:
        return unit
    return replace(unit, frames=unit.frames[..., ::-1, :])


def _checked_planes(path: Path, unit: _Unit, frames_alone: bool) -> _Unit:
    """Return a unit of frames; colours of several pictures [n, 3, h, w] become luminance.

    Three planes are frames where that was said or where the other images of the file are.
    """
    frames, said = unit.frames, colour_words(unit.header)
    if frames.ndim == 4 and frames.shape[1] == 3:
        note_luminance(path)
        return replace(unit, frames=_luminance(frames), colours=True)
    if not is_colour(frames.shape) or said == "frames" or frames_alone:
        return unit
    found = (
        "the red, green and blue of one picture"
        if said == "colours"
        else "3 planes, which may be the colours of one picture or 3 frames"
    )
    raise StackError(
        f"{path}: expected a cube of frames, found {found}. Pass the folder that holds all"
        " pictures, or --axis frames-first if they are 3 frames."
    )


def _as_frame(path: Path, units: list[_Unit]) -> _Unit:
    if len(units) > 1:
        raise StackError(
            f"{path}: expected one image like the other files of its folder, found"
            f" {len(units)}. Move it to another folder."
        )
    unit = units[0]
    if not is_colour(unit.frames.shape):
        return unit
    return replace(unit, frames=_luminance(unit.frames[None])[0], colours=True)


def _check_kinds(paths: Sequence[Path], units: list[_Unit]) -> None:
    """Raise StackError where darks, flats or others lie among the frames of a folder."""
    kinds = [frame_kind(unit.header) for unit in units]
    for path, kind in zip(paths, kinds, strict=True):
        if kind not in ("", "LIGHT") and set(kinds) != {kind}:
            raise StackError(
                f"{path}: expected a frame of the scene, found one that its header calls {kind}."
                " Move it to another folder."
            )


def _luminance(planes: np.ndarray) -> np.ndarray:
    """Return grey [n, h, w] of planes [n, 3, h, w], red first."""
    native = planes if planes.dtype in (np.uint8, np.uint16) else planes.astype(np.float32)
    return np.stack([frame_luminance(np.moveaxis(frame[::-1], 0, -1)) for frame in native])


def _check_parts(path: Path, units: list[_Unit]) -> None:
    """Raise StackError for parts of one detector, each read by an amplifier of its own."""
    places = {text(unit.header, "DETSEC") for unit in units}
    if len(units) > 1 and len(places) > 1:
        raise StackError(
            f"{path}: expected frames, found {len(units)} parts of one detector (DETSEC differs)."
            " Put each picture together and save the frames as one cube."
        )


def _joined(where: Path, paths: Sequence[Path], units: list[_Unit]) -> tuple[np.ndarray, Sensor]:
    """Return all frames [n, h, w] and one sensor; StackError where an image differs."""
    # A picture is a stack of one; the check of counts tells to pass its folder.
    stacks = [unit.frames[None] if unit.frames.ndim == 2 else unit.frames for unit in units]
    for path, frames in zip(paths, stacks, strict=True):
        if frames.ndim == 3 and stacks[0].ndim == 3:
            check_alike(path, frames[0], stacks[0][0])
    frames = stacks[0] if len(stacks) == 1 else np.concatenate(stacks)
    if frames.ndim != 3:
        return frames, Sensor()
    assumed = assumed_sensor(frames)
    sensors = [_sensor_of(path, unit, assumed) for path, unit in zip(paths, units, strict=True)]
    for path, found in zip(paths, sensors, strict=True):
        _check_alike(path, found, sensors[0])
    sensor = sensors[0]
    stamps = [moment(unit.header) for unit in units] if len(units) == len(frames) else []
    known = [stamp for stamp in stamps if stamp is not None]
    return frames, with_times(where, sensor, known if len(known) == len(frames) else None)


def _sensor_of(path: Path, unit: _Unit, assumed: Sensor) -> Sensor:
    with naming(path):
        return replace(assumed, cfa="mono") if unit.colours else sensor_words(unit.header, assumed)


def _check_alike(path: Path, sensor: Sensor, first: Sensor) -> None:
    for name in ("cfa", "white_level"):
        found, expected = getattr(sensor, name), getattr(first, name)
        if found != expected:
            raise StackError(
                f"{path}: expected {name} {expected} like the first frame, found {found}."
                " Pass frames of one camera with one setting."
            )
    if sensor.exposure_time != first.exposure_time:
        _log.warning("%s: exposure differs from the first frame's.", path)
