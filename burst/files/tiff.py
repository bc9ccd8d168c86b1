"""Read TIFF through tifffile: frames as pages of one file or as many files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.check import explained, naming
from burst.files.consistency import check_same_format, warn_orientations
from burst.files.quiet import quiet_tifffile
from burst.files.tiff_photometric import DecodedPages, decode_pages, sensor_of_pages
from burst.files.tiff_pixels import decode_series
from burst.lazy import tifffile
from burst.mapped import forget_now_and_then, room_for_frames
from burst.records import Sensor, StackError

_ADVICE = "Save it again as a TIFF of many uint16 pages of one size."
_PAGE_ADVICE = "Save it again as a TIFF of one uint16 page."
_OLD_SUBFILE, _OLD_REDUCED = 255, 2
_MASK = 0b100


def read_tiff(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of all pages but previews, mapped where possible, and their sensor.
    They are linear, of 12 or 8 bits unless values or tags indicate otherwise."""
    with explained(path, "a TIFF stack", _ADVICE), _opened(path) as tiff:
        all_series = [series for series in tiff.series if not _is_preview(series.keyframe)]
        _check_one_kind(path, all_series)
        stacks = [_stack_of(path, tiff, series) for series in all_series]
        array = stacks[0] if len(stacks) == 1 else np.concatenate(stacks)
        decoded = decode_pages(path, all_series[0].keyframe, array, imagej=tiff.is_imagej)
        with naming(path):
            return decoded.frames, _with_interval(tiff, sensor_of_pages(decoded))


def read_tiff_frames(paths: Sequence[Path]) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] of files of one page each, without previews, and their sensor."""
    first = _read_frame(paths[0])
    frames = room_for_frames((len(paths), *first.frames.shape[1:]), first.frames.dtype)
    orientations = []
    for index, path in enumerate(paths):
        decoded = first if index == 0 else _read_frame(path)
        check_same_format(path, decoded.frames[0], first.frames[0])
        if (decoded.white, decoded.cfa) != (first.white, first.cfa):
            raise StackError(
                f"{path}: expected values and colours like the first frame's, found others."
                " Pass frames of one camera with one setting."
            )
        frames[index] = decoded.frames[0]
        forget_now_and_then(frames, index)
        orientations.append(decoded.orientation)
    warn_orientations(paths[0].parent, orientations)
    with naming(paths[0].parent):
        return frames, sensor_of_pages(replace(first, frames=frames))


def count_pages(path: Path) -> int:
    """Return how many pages a TIFF has, without previews; 1 for a broken file."""
    quiet_tifffile()
    try:
        with tifffile.TiffFile(path) as tiff:
            if len(tiff.pages) == 1 and (tiff.is_imagej or tiff.is_shaped):
                # One directory may describe all frames.
                return max(1, int(np.prod(_leading(tiff.series[0]), dtype=int)))
            return sum(not _is_preview(page) for page in tiff.pages) or 1
    except Exception:
        # Parsers of damaged files raise anything; reading it will report what is wrong.
        return 1


def read_page(path: Path) -> np.ndarray:
    """Return the pixels of a TIFF of one page: [h, w], or [h, w, 3], blue first."""
    return _read_frame(path).first_page()


def _read_frame(path: Path) -> DecodedPages:
    with explained(path, "an image", _PAGE_ADVICE), _opened(path) as tiff:
        found = [series for series in tiff.series if not _is_preview(series.keyframe)]
        if len(found) != 1:
            kinds = f"{len(found)} kinds"
            raise StackError(f"{path}: expected one page, found {kinds}. {_PAGE_ADVICE}")
        array = _stack_of(path, tiff, found[0])
        if len(array) > 1:
            raise StackError(f"{path}: expected one page, found {len(array)}. {_PAGE_ADVICE}")
        return decode_pages(path, found[0].keyframe, array, imagej=tiff.is_imagej)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a TIFF; a truncated list of pages, of which the parser only warns, is an error."""
    quiet_tifffile()
    with tifffile.TiffFile(path) as tiff:
        _check_whole(path, tiff)
        yield tiff


def _check_whole(path: Path, tiff: Any) -> None:
    """Raise StackError where the list of pages ends early, or pixels are missing."""
    size, last = path.stat().st_size, tiff.pages[len(tiff.pages) - 1]
    ends = [
        int(offset) + int(count)
        for offset, count in zip(last.dataoffsets, last.databytecounts, strict=False)
    ]
    following = _next_offset(tiff, last)
    if following >= size or max(ends, default=0) > size:
        raise StackError(
            f"{path}: expected all pages that it lists, found it cut in or after"
            f" page {len(tiff.pages)}."
            f" It is truncated: copy or record it again. {_ADVICE}"
        )


def _next_offset(tiff: Any, page: Any) -> int:
    """Return the offset of the directory after a page's; 0 for the last one."""
    format_, file = tiff.tiff, tiff.filehandle
    order: Any = "little" if tiff.byteorder == "<" else "big"
    file.seek(page.offset)
    count = int.from_bytes(file.read(format_.tagnosize), order)
    file.seek(page.offset + format_.tagnosize + count * format_.tagsize)
    return int.from_bytes(file.read(format_.offsetsize), order)


def _is_preview(page: Any) -> bool:
    """Return whether a page is a smaller copy of another, or a mask."""
    old = page.tags.get(_OLD_SUBFILE)
    return bool(page.is_reduced or page.subfiletype & _MASK or (old and old.value == _OLD_REDUCED))


def _check_one_kind(path: Path, all_series: list[Any]) -> None:
    """Raise StackError unless all series have pages of one size, type and meaning."""
    kinds = {(s.keyframe.shape, str(s.dtype), int(s.keyframe.photometric)) for s in all_series}
    if len(kinds) != 1:
        sizes = sorted(" x ".join(map(str, shape)) + f" of {kind}" for shape, kind, _ in kinds)
        raise StackError(
            f"{path}: expected pages of one size and type, found {len(kinds)} kinds"
            f" ({', '.join(sizes)}). {_ADVICE}"
        )


def _leading(series: Any) -> list[int]:
    """Return the sides of a series before the rows of its pages."""
    axes = series.axes.replace("S", "")
    sides = dict(zip(series.axes, series.shape, strict=True))
    return [sides[axis] for axis in axes if axis not in "YX"]


def _stack_of(path: Path, tiff: Any, series: Any) -> np.ndarray:
    """Return the pages of a series [n, h, w] or [n, h, w, samples], or with more axes."""
    sides = dict(zip(series.axes, series.shape, strict=True))
    if sides.get("C", 1) > 1 and _shows_channels(tiff, sides):
        raise StackError(
            f"{path}: expected frames in time, found {sides['C']} channels of one picture."
            " Save one channel as a stack of its own."
        )
    array = decode_series(path, tiff, series)
    if "S" in series.axes:
        array = np.moveaxis(array, series.axes.index("S"), -1)
    page_axes = 3 if "S" in series.axes else 2
    leading = [n for n in array.shape[: array.ndim - page_axes] if n > 1] or [1]
    return array.reshape(*leading, *array.shape[array.ndim - page_axes :])


def _shows_channels(tiff: Any, sides: dict[str, int]) -> bool:
    """Return whether axis C counts channels of pictures; in ImageJ it may count frames."""
    if not tiff.is_imagej:
        return True
    shown = str((tiff.imagej_metadata or {}).get("mode", "")).lower()
    others = [side for axis, side in sides.items() if axis not in "CYXS"]
    return max(others, default=1) > 1 or shown in ("composite", "color")


def _with_interval(tiff: Any, sensor: Sensor) -> Sensor:
    """Return a sensor with the time between frames that ImageJ stored."""
    seconds = (tiff.imagej_metadata or {}).get("finterval", 0) if tiff.is_imagej else 0
    good = isinstance(seconds, (int, float)) and 0 < seconds < float("inf")
    return replace(sensor, frame_time=float(seconds)) if good else sensor
