"""What a folder or a file is by its name alone: a stack, one frame of a stack, or neither."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from burst.files.quiet import quiet_tifffile
from burst.records import StackError

ARRAY_SUFFIXES = (".npy", ".npz")
TIFF_SUFFIXES = (".tif", ".tiff")
FITS_SUFFIXES = (".fits", ".fit", ".fts")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".mpg", ".mpeg")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", *TIFF_SUFFIXES)
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".k25", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
)  # fmt: skip
STACK_SUFFIXES = (*ARRAY_SUFFIXES, ".ser", *FITS_SUFFIXES, *VIDEO_SUFFIXES)
ACCEPTED = "npy, npz, ser, fits, tif, video, or a folder of camera raw files or of png, jpg, tif"

# How names of dual reversed pairs end: read from top to bottom, or from bottom to top.
SCANS = {"_t2b": 1, "_b2t": -1}

TRUTH_SUFFIX = ".truth.npz"  # what the simulator writes beside a stack

_RESULT_FILES = ("report.json", "restored.npy")


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts frame2 before frame10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(p), "") if p.isdecimal() else (-1, p.lower()) for p in parts], str(path)


def visible_entries(folder: Path) -> list[Path]:
    """Return what a folder holds, hidden names left out, in natural order; StackError if closed."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise StackError(
            f"{folder}: expected a folder that can be read, found '{error.strerror}'."
            " Check the path and its permissions."
        ) from error
    return sorted(entries, key=natural_key)


def frames_in(folder: Path) -> list[Path]:
    """Return the single frames in a folder, all of one suffix; none if it is not a stack itself.

    Camera raw files win over the previews that cameras store beside them. A TIFF of many pages is
    a stack of its own and not a frame.
    """
    files = [entry for entry in visible_entries(folder) if entry.is_file()]
    raws = _with_suffix(files, RAW_SUFFIXES)
    frames = raws or [f for f in _with_suffix(files, IMAGE_SUFFIXES) if not _has_pages(f)]
    kinds = sorted({frame.suffix.lower() for frame in frames})
    if len(kinds) > 1:
        raise StackError(
            f"{folder}: expected frames of one kind, found {' and '.join(kinds)}."
            " Move all but one kind to another folder."
        )
    return frames


def scan_named(frames: Sequence[Path]) -> list[int] | None:
    """Return the direction in which each frame was read, +1 down, -1 up, where all names end as
    those of dual reversed pairs do; else None."""
    ends = [frame.stem[-4:].lower() for frame in frames]
    return [SCANS[end] for end in ends] if all(end in SCANS for end in ends) else None


def is_result(folder: Path) -> bool:
    """Tell whether a folder holds the results of a former run."""
    return any(os.path.exists(folder / name) for name in _RESULT_FILES)


def is_stack(path: Path) -> bool:
    """Tell whether a file or folder is one stack: no folder of stacks and no single frame."""
    if path.is_dir():
        return not is_result(path) and bool(frames_in(path))
    if path.name.endswith(TRUTH_SUFFIX):
        return False
    suffix = path.suffix.lower()
    return suffix in STACK_SUFFIXES or (suffix in TIFF_SUFFIXES and _has_pages(path))


def _with_suffix(files: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [file for file in files if file.suffix.lower() in suffixes]


def _has_pages(path: Path) -> bool:
    """Tell whether a file is a TIFF of more than one page; a broken one counts as a frame."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return False
    import tifffile

    quiet_tifffile()
    try:
        with tifffile.TiffFile(path) as tiff:
            return len(tiff.pages) > 1
    except (OSError, ValueError):
        return False
