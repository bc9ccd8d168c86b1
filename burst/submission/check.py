"""Check a zip as the judges' program will, so that faults are found before it is handed in."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from burst.files.check import explained
from burst.records import StackError
from burst.submission.archive import BROKEN, name_faults
from burst.submission.challenge import README, Challenge, raise_faults
from burst.submission.encode import from_bytes

LEFTOVERS = ("__MACOSX", "Thumbs.db", "desktop.ini")
LARGEST_FILE = 512 * 2**20  # bytes unpacked; larger files are not images


def check(path: Path, challenge: Challenge, images: Collection[str] | None = None) -> int:
    """Return how many images a zip holds; SubmissionError lists every fault, one a line. `images`
    are the exact names that it must contain, where they are known."""
    faults, count = _faults(path, challenge, images)
    raise_faults(path, faults)
    return count


def _faults(
    path: Path, challenge: Challenge, images: Collection[str] | None
) -> tuple[list[str], int]:
    try:
        size = path.stat().st_size
        large = f"expected at most {challenge.megabytes} MB, found {size / 10**6:.1f} MB."
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            found = [
                e for e in entries if not _is_leftover(e) and challenge.names_image(e.filename)
            ]
            return [
                *([large] if size > challenge.megabytes * 10**6 else []),
                *_entry_faults(entries, challenge),
                *_count_faults([e.filename for e in found], challenge, images),
                *_readme_faults(archive, challenge),
                *(fault for entry in found for fault in _image_faults(archive, entry, challenge)),
            ], len(found)
    except OSError as error:
        return [f"expected a zip archive, found '{error.strerror or error}'."], 0
    except BROKEN as error:
        return [f"expected a whole zip archive, found '{error}'. Write or copy it again."], 0


def _entry_faults(entries: Sequence[zipfile.ZipInfo], challenge: Challenge) -> list[str]:
    """Return what does not belong into the archive, judged by names."""
    faults = []
    for entry in entries:
        name = entry.filename
        faults += name_faults(entry)
        if _is_leftover(entry):
            faults.append(f"{name}: expected no hidden file. Zip the images alone.")
        elif "/" in name and challenge.flat:
            faults.append(f"{name}: expected no folder. Zip what is in it, not the folder itself.")
        elif entry.is_dir() or challenge.names_image(name) or (name == README and challenge.readme):
            continue
        else:
            faults.append(f"{name}: expected only names such as {challenge.image}. Remove it.")
    counts = Counter(entry.filename for entry in entries)
    faults += [
        f"{name}: expected it once, found it {n} times." for name, n in counts.items() if n > 1
    ]
    return faults


def _is_leftover(entry: zipfile.ZipInfo) -> bool:
    """Return whether the operating system added a file: hidden ones, thumbnails."""
    parts = PurePosixPath(entry.filename).parts
    return any(part in LEFTOVERS or (part.startswith(".") and part != "..") for part in parts)


def _count_faults(
    found: Sequence[str], challenge: Challenge, images: Collection[str] | None
) -> list[str]:
    count = len(images) if images is not None else challenge.count
    faults = []
    if count is not None and len(set(found)) != count:
        faults.append(f"expected {count} images, found {len(set(found))}.")
    if not found and count is None:
        faults.append("expected images, found none.")
    if images is not None:
        missing, others = sorted(set(images) - set(found)), sorted(set(found) - set(images))
        faults += [f"{name}: expected it, found no such image." for name in missing]
        faults += [f"{name}: expected no image of this name." for name in others]
    return faults


def _readme_faults(archive: zipfile.ZipFile, challenge: Challenge) -> list[str]:
    if not challenge.readme:
        return []
    if README not in archive.namelist():
        return [f"{README}: expected it, found no such file."]
    content = _read(archive, archive.getinfo(README))
    if isinstance(content, str):
        return [content]
    lines = content.decode("utf-8", "replace").strip().splitlines()
    wanted = challenge.readme_lines()
    faults = []
    if len(lines) != len(wanted):
        faults.append(f"expected {len(wanted)} lines, found {len(lines)}.")
    faults += [
        f"expected a line '{start} ...', found '{line}'."
        for start, line in zip(wanted, lines, strict=False)
        if not line.startswith(start) or not line[len(start) :].strip()
    ]
    return [f"{README}: {fault}" for fault in faults]


def _image_faults(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, challenge: Challenge
) -> list[str]:
    content = _read(archive, entry)
    if isinstance(content, str):
        return [content]
    expected = f"an image in {challenge.suffix}"
    try:
        with explained(entry.filename, expected, "Write it again."):
            numbers = from_bytes(content, challenge.suffix)
    except StackError as error:
        return [str(error)]
    return [f"{entry.filename}: {fault}" for fault in _number_faults(numbers, challenge)]


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | str:
    """Return the bytes of an entry, or the reason why they cannot be read."""
    if entry.file_size > LARGEST_FILE:
        return f"{entry.filename}: expected an image, found {entry.file_size} bytes."
    try:
        return archive.read(entry)
    except BROKEN as error:
        return f"{entry.filename}: expected a whole file, found '{error}'. Write the zip again."


def _number_faults(numbers: np.ndarray, challenge: Challenge) -> list[str]:
    faults = []
    wanted = (*(challenge.size or ("h", "w")), *((3,) if challenge.channels == 3 else ()))
    shape = numbers.shape
    if len(shape) != len(wanted) or any(
        w not in (s, "h", "w") for w, s in zip(wanted, shape, strict=True)
    ):
        faults.append(f"expected the shape ({', '.join(map(str, wanted))}), found {shape}.")
    if numbers.dtype != np.dtype(challenge.dtype):
        faults.append(f"expected {challenge.dtype}, found {numbers.dtype}.")
    if numbers.dtype.kind not in "uif" or not numbers.size:
        return faults
    if not np.isfinite(numbers).all():
        bad = int(np.count_nonzero(~np.isfinite(numbers)))
        return [*faults, f"expected numbers, found {bad} NaN or infinite values."]
    low, high = numbers.min(), numbers.max()
    if low < 0 or high > challenge.maximum:
        faults.append(f"expected values 0..{challenge.maximum}, found {low:g}..{high:g}.")
    elif low == high:
        faults.append(f"expected a picture, found {low:g} in all pixels.")
    return faults
