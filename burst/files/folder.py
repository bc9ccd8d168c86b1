"""Classify folders and files by name: a stack, one frame of a stack, or neither."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from burst.files import fits_headers
from burst.files.tiff import count_pages
from burst.records import StackError

T = TypeVar("T")

ARRAY_SUFFIXES = (".npy", ".npz")
TIFF_SUFFIXES = (".tif", ".tiff")
FITS_SUFFIXES = (".fits", ".fit", ".fts")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".mpg", ".mpeg", ".y4m")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm", ".pnm", *TIFF_SUFFIXES)
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".k25", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
)  # fmt: skip
STACK_SUFFIXES = (*ARRAY_SUFFIXES, ".ser", *FITS_SUFFIXES, *VIDEO_SUFFIXES)
ACCEPTED = (
    "npy, npz, ser, fits, tif, video, or a folder of camera raw files or of png, jpg, tif, fits"
)

# Several suffixes of one format; and compressions of FITS.
_SAME_KIND = {".tiff": ".tif", ".jpeg": ".jpg", ".ppm": ".pgm", ".pnm": ".pgm"}
_PACKED = (".gz", ".bz2", ".fz")

# Ends of names of dual reversed pairs: read from top to bottom, or from bottom to top.
SCANS = {"_t2b": 1, "_b2t": -1}

TRUTH_SUFFIX = ".truth.npz"  # written by the simulator beside a stack

_RESULT_FILES = ("report.json", "restored.npy")


def first_frame(path: Path) -> Path | None:
    """Return the camera raw file that a stack is, or its first one; None of other stacks."""
    found = [path] if path.is_file() else visible_entries(path) if path.is_dir() else []
    return next((each for each in found if each.suffix.lower() in RAW_SUFFIXES), None)


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts frame2 before frame10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(p), "") if p.isdecimal() else (-1, p.lower()) for p in parts], str(path)


def visible_entries(folder: Path) -> list[Path]:
    """Return the visible entries of a folder in natural order; StackError if unreadable."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise StackError(
            f"{folder}: expected a folder that can be read, found '{error.strerror}'."
            " Check the path and its permissions."
        ) from error
    return sorted(entries, key=natural_key)


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case; that of FITS for compressed FITS."""
    suffix = path.suffix.lower()
    inner = Path(path.stem).suffix.lower()
    packed = suffix == ".fz" or (suffix in _PACKED and inner in FITS_SUFFIXES)
    return FITS_SUFFIXES[0] if packed else suffix


def stem_of(path: Path) -> str:
    """Return the name without its suffix, or without both for compressed FITS."""
    inner = Path(path.stem)
    packed = path.suffix.lower() in _PACKED and inner.suffix.lower() in FITS_SUFFIXES
    return inner.stem if packed else path.stem


def frames_in(folder: Path) -> list[Path]:
    """Return the single frames in a folder, all of one kind; none if it is not a stack. Camera raw
    files and FITS take precedence over the previews beside them. A TIFF of several pages and a FITS
    cube are stacks, not frames."""
    files = [entry for entry in visible_entries(folder) if entry.is_file()]
    raws = _with_suffix(files, RAW_SUFFIXES)
    images = [f for f in _with_suffix(files, IMAGE_SUFFIXES) if not _has_pages(f)]
    frames = raws or _fits_frames(_with_suffix(files, FITS_SUFFIXES)) or images
    kinds = sorted({_kind(frame) for frame in frames})
    if len(kinds) > 1:
        raise StackError(
            f"{folder}: expected frames of one kind, found {' and '.join(kinds)}."
            " Move all but one kind to another folder."
        )
    return frames


def scan_from_names(frames: Sequence[Path]) -> list[int] | None:
    """Return the scan of each frame, +1 down, -1 up, by the ends of all names; else None."""
    ends = [frame.stem[-4:].lower() for frame in frames]
    return [SCANS[end] for end in ends] if all(end in SCANS for end in ends) else None


def is_result(folder: Path) -> bool:
    """Return whether a folder holds the results of an earlier run."""
    return any(os.path.exists(folder / name) for name in _RESULT_FILES)


def is_stack(path: Path) -> bool:
    """Return whether a file or folder is one stack, not a folder of stacks or a single frame. So is
    one with frames that do not belong together: reading it explains the error."""
    if path.is_dir():
        try:
            return not is_result(path) and bool(frames_in(path))
        except StackError:
            return True
    if path.name.endswith(TRUTH_SUFFIX):
        return False
    suffix = suffix_of(path)
    if suffix in FITS_SUFFIXES:
        return not _is_one_picture(path)
    return suffix in STACK_SUFFIXES or (suffix in TIFF_SUFFIXES and _has_pages(path))


def _with_suffix(files: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [file for file in files if suffix_of(file) in suffixes]


def _kind(path: Path) -> str:
    suffix = suffix_of(path)
    return FITS_SUFFIXES[0] if suffix in FITS_SUFFIXES else _SAME_KIND.get(suffix, suffix)


def _fits_frames(files: list[Path]) -> list[Path]:
    """Return FITS files of one picture each, grey or in colour; reading reports broken ones."""
    shapes = {file: _shapes_in(file) for file in files}
    flat = [file for file in files if [len(shape) for shape in shapes[file]] == [2]]
    colour = [file for file in files if _is_one_picture(file) and file not in flat]
    # A single cube of three planes may be a stack or a picture: reading it raises an error.
    frames = flat or (colour if len(colour) > 1 else [])
    return [file for file in files if file in frames or (frames and not shapes[file])]


def _is_one_picture(path: Path) -> bool:
    """Return whether a FITS file holds one image, grey or in colour."""
    shapes = _shapes_in(path)
    return len(shapes) == 1 and (len(shapes[0]) == 2 or fits_headers.is_colour(shapes[0]))


def _has_pages(path: Path) -> bool:
    """Return whether a file is a TIFF of several pages; a broken one counts as a frame."""
    tiff = path.suffix.lower() in TIFF_SUFFIXES
    return tiff and _cached(path, count_pages, 0) > 1


def _shapes_in(path: Path) -> list[tuple[int, ...]]:
    """Return the shapes of the images in a FITS file."""
    return _cached(path, fits_headers.image_shapes, [])


def _cached(path: Path, read: Callable[[Path], T], missing: T) -> T:
    """Return what is read of a file, once for as long as it does not change."""
    try:
        status = path.stat()
    except OSError:
        return missing
    return cast(T, _read(path, read, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=200_000)
def _read(path: Path, read: Callable[[Path], Any], _changed: int, _size: int) -> Any:
    return read(path)
