"""Arrays that are mapped from files: let the system take back the memory of what has been read.

Pages of a mapped file count as memory of the process until the system needs it. What goes through a
file of many frames forgets them as it goes, so that a process never seems to hold the whole file.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator

import numpy as np

FORGET_EVERY = 64_000_000  # bytes
MOST_IN_MEMORY = 500_000_000  # bytes of frames; more of them go to a scratch file


def forget(array: np.ndarray) -> None:
    """Give back the memory of an array that is mapped from a file; it is read again when needed.

    Nothing is done to any other array.
    """
    found: object = array
    while isinstance(found, np.ndarray):
        if isinstance(found, np.memmap) and found.mode == "c":
            # Changes that are in memory alone would be lost.
            return
        mapped = isinstance(found, np.memmap)
        found = found.base
        if mapped and isinstance(found, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            found.madvise(mmap.MADV_DONTNEED)


def each_frame(frames: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the frames of [n, ...] one by one, forgetting those that are mapped and done."""
    read = 0
    for frame in frames:
        yield frame
        read += frame.nbytes
        if read > FORGET_EVERY:
            read = 0
            forget(frames)
    forget(frames)


def room_for_frames(shape: tuple[int, ...], dtype: type = np.uint16) -> np.ndarray:
    """Return an array to be filled with frames: in memory, or mapped from a scratch file if it is
    large. The file has no name, and goes with the array."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= MOST_IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="burst-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def forget_now_and_then(frames: np.ndarray, number: int) -> None:
    """Forget the frames of [n, ...] that are filled up to a number, at intervals."""
    if number % max(1, FORGET_EVERY // max(frames[0].nbytes, 1)) == 0:
        forget(frames)
