"""Read FITS through astropy (the extra `astro`): cubes, extensions, and single frames."""

from __future__ import annotations

import math
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from burst.about import optional
from burst.files.check import explained, naming
from burst.files.consistency import check_same_format, check_same_settings
from burst.files.fits_headers import MOST_AXES, is_colour, most_axes, opened
from burst.files.fits_keywords import (
    Header,
    frame_kind,
    planes_meaning,
    row_order,
    sensor_from_header,
    start_time,
    text,
)
from burst.files.luminance import frame_luminance, warn_luminance
from burst.files.npy import Axis
from burst.files.times import with_times
from burst.files.values import assumed_sensor
from burst.log import LOG
from burst.mapped import MOST_IN_MEMORY, FrameList, forget_now_and_then, is_large, room_for_frames
from burst.records import Sensor, StackError

_ADVICE = "Save the frames as one cube (n, h, w) of 16-bit integers."

# Names of extensions that are not frames (HST, ccdproc, fpack, SExtractor).
_NO_FRAMES = (
    "ERR", "DQ", "MASK", "UNCERT", "WEIGHT", "WHT", "VAR", "VARIANCE", "STDDEV", "FLAGS", "BPM",
    "THUMBNAIL", "PREVIEW", "BACKGROUND", "PSF",
)  # fmt: skip


@dataclass(frozen=True)
class _Hdu:
    """One image of a file (HDU): frames [h, w] or [n, h, w], grey or mosaic, and the header."""

    frames: np.ndarray
    header: Header
    colours: bool = False


def read_fits(path: Path, axis: Axis | None = None) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of all images in a file, row 0 at the top, and their sensor.
    StackError for one picture in colour, and for three planes that may be one unless an axis is
    given."""
    hdus = _read_hdus(path)
    frames_alone = axis is not None or not all(is_colour(hdu.frames.shape) for hdu in hdus)
    hdus = [_checked_planes(path, hdu, frames_alone) for hdu in hdus]
    _check_parts(path, hdus)
    if len(hdus) > 1:
        LOG.info("%s: its %d images follow one another as frames.", path, len(hdus))
    paths = [path] * len(hdus)
    return _with_sensor(path, paths, *_gathered(paths, hdus))


def read_fits_frames(paths: Sequence[Path]) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of files with one image each, and their sensor. Images are grey, a
    mosaic or three colours, which become luminance."""
    frames, hdus = _gathered(paths, (_as_frame(path, _read_hdus(path)) for path in paths))
    _check_kinds(paths, hdus)
    if any(hdu.colours for hdu in hdus):
        warn_luminance(paths[0].parent)
    return _with_sensor(paths[0].parent, paths, frames, hdus)


def _read_hdus(path: Path) -> list[_Hdu]:
    fits = optional("astropy.io.fits", "astro", StackError, str(path))
    axes = most_axes(path)
    if axes > MOST_AXES:
        raise StackError(f"{path}: expected a FITS cube, found one of {axes} axes. {_ADVICE}")
    with (
        explained(path, "a FITS cube", _ADVICE),
        warnings.catch_warnings(action="ignore"),
        _decompressed(path) as content,
        fits.open(content, memmap=False) as hdus,
    ):
        images = [
            _Hdu(np.squeeze(_pixels(hdu)), dict(hdu.header))
            for hdu in hdus
            if hdu.is_image and math.prod(hdu.shape or [0]) and _is_frame(hdu.header)
        ]
        primary = dict(hdus[0].header)
    if not images:
        raise StackError(f"{path}: expected a FITS cube, found no image in it. {_ADVICE}")
    # The first header applies to all extensions.
    return [_top_down(path, replace(hdu, header={**primary, **hdu.header})) for hdu in images]


@contextmanager
def _decompressed(path: Path) -> Iterator[Path | IO[bytes]]:
    """Give a path, or the content of a compressed file, so that damage is found at once: in memory,
    or in a scratch file if it is large."""
    if path.suffix.lower() not in (".gz", ".bz2"):
        yield path
        return
    with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY, prefix="burst-") as content:
        with opened(path) as file:
            shutil.copyfileobj(file, content)
        content.seek(0)
        yield content


def _pixels(hdu: Any) -> np.ndarray:
    """Return the numbers of an image; many are decoded picture by picture to a scratch file."""
    places = list(np.ndindex(*hdu.shape[:-2]))
    first = hdu.section[places[0]]
    if not is_large(hdu.shape, first.dtype):
        return np.asarray(hdu.data)
    made = room_for_frames((len(places), *first.shape), first.dtype)
    for number, place in enumerate(places):
        made[number] = hdu.section[place]
        forget_now_and_then(made, number)
    return made.reshape(hdu.shape)


def _is_frame(header: Any) -> bool:
    return text(header, "EXTNAME").upper().rstrip("0123456789_, ") not in _NO_FRAMES


def _top_down(path: Path, hdu: _Hdu) -> _Hdu:
    """Return an image whose row 0 is at the top of the scene. A colour pattern is not changed:
    programs state that of the displayed picture, in whichever order they store its rows (as Siril
    documents)."""
    if row_order(path, hdu.header) == "TOP-DOWN" or hdu.frames.ndim < 2:
        return hdu
    return replace(hdu, frames=hdu.frames[..., ::-1, :])


def _checked_planes(path: Path, hdu: _Hdu, frames_alone: bool) -> _Hdu:
    """Return an image as frames; several pictures in colour [n, 3, h, w] become luminance. Three
    planes are frames if the header says so or the other images of the file are frames."""
    frames, stated = hdu.frames, planes_meaning(hdu.header)
    if frames.ndim == 4 and frames.shape[1] == 3:
        warn_luminance(path)
        return replace(hdu, frames=_luminance(frames), colours=True)
    if not is_colour(frames.shape) or stated == "frames" or frames_alone:
        return hdu
    found = (
        "the red, green and blue of one picture"
        if stated == "colours"
        else "3 planes, which may be the colours of one picture or 3 frames"
    )
    raise StackError(
        f"{path}: expected a cube of frames, found {found}. Pass the folder that holds all"
        " pictures, or --axis frames-first if they are 3 frames."
    )


def _as_frame(path: Path, hdus: list[_Hdu]) -> _Hdu:
    if len(hdus) > 1:
        raise StackError(
            f"{path}: expected one image like the other files of its folder, found"
            f" {len(hdus)}. Move it to another folder."
        )
    hdu = hdus[0]
    if not is_colour(hdu.frames.shape):
        return hdu
    return replace(hdu, frames=_luminance(hdu.frames[None])[0], colours=True)


def _check_kinds(paths: Sequence[Path], hdus: list[_Hdu]) -> None:
    """Raise StackError for darks, flats or others among the frames of a folder."""
    kinds = [frame_kind(hdu.header) for hdu in hdus]
    for path, kind in zip(paths, kinds, strict=True):
        if kind not in ("", "LIGHT") and set(kinds) != {kind}:
            raise StackError(
                f"{path}: expected a frame of the scene, found one that its header calls {kind}."
                " Move it to another folder."
            )


def _luminance(planes: np.ndarray) -> np.ndarray:
    """Return luminance [n, h, w] of planes [n, 3, h, w], red first."""
    native = planes if planes.dtype in (np.uint8, np.uint16) else planes.astype(np.float32)
    return np.stack([frame_luminance(np.moveaxis(frame[::-1], 0, -1)) for frame in native])


def _check_parts(path: Path, hdus: list[_Hdu]) -> None:
    """Raise StackError for parts of one detector that were read by separate amplifiers."""
    places = {text(hdu.header, "DETSEC") for hdu in hdus}
    if len(hdus) > 1 and len(places) > 1:
        raise StackError(
            f"{path}: expected frames, found {len(hdus)} parts of one detector (DETSEC differs)."
            " Put each picture together and save the frames as one cube."
        )


def _gathered(paths: Sequence[Path], hdus: Iterable[_Hdu]) -> tuple[np.ndarray, list[_Hdu]]:
    """Return all frames [n, h, w] of images that come one by one, and the images without them;
    StackError where one differs from the first."""
    frames, without = FrameList(), []
    for path, hdu in zip(paths, hdus, strict=True):
        # A picture is a stack of one; the check of the count then asks for its folder.
        stack = hdu.frames[None] if hdu.frames.ndim == 2 else hdu.frames
        without.append(replace(hdu, frames=np.empty(0)))
        if len(paths) == 1:
            return stack, without
        for frame in stack:
            if len(frames):
                check_same_format(path, frame, frames.like)
            frames.append(frame)
    return frames.array(), without


def _with_sensor(
    where: Path, paths: Sequence[Path], frames: np.ndarray, hdus: list[_Hdu]
) -> tuple[np.ndarray, Sensor]:
    """Return the frames and one sensor; StackError where the header of an image differs."""
    if frames.ndim != 3:
        return frames, Sensor()
    assumed = assumed_sensor(frames)
    sensors = [_sensor_of(path, hdu, assumed) for path, hdu in zip(paths, hdus, strict=True)]
    for path, found in zip(paths, sensors, strict=True):
        check_same_settings(path, found, sensors[0], ("cfa", "white_level"))
    stamps = [start_time(hdu.header) for hdu in hdus] if len(hdus) == len(frames) else None
    return frames, with_times(where, sensors[0], stamps)


def _sensor_of(path: Path, hdu: _Hdu, assumed: Sensor) -> Sensor:
    with naming(path):
        return (
            replace(assumed, cfa="mono") if hdu.colours else sensor_from_header(hdu.header, assumed)
        )
