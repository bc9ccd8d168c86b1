"""Arrays that are mapped from files: let the system take back the memory of what has been read.

Pages of a mapped file count as memory of the process until the system needs it. What goes through a
file of many frames forgets them as it goes, so that a process never seems to hold the whole file.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

FORGET_EVERY = 64_000_000  # bytes
_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)
MOST_IN_MEMORY = 500_000_000  # bytes of frames; more of them go to a scratch file


@contextmanager
def scratch_in(folder: Path) -> Iterator[None]:
    """Give scratch files names in a folder, in this context, so that other processes find them."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def scratch_file() -> IO[bytes]:
    """Open a file without a name in the folder for temporary files, which the system removes when
    it is closed; or one with a name where `scratch_in` asks for it."""
    folder = _FOLDER.get()
    if folder is None:
        return tempfile.TemporaryFile(prefix="burst-")
    return tempfile.NamedTemporaryFile(prefix="burst-", dir=folder, delete=False)


def place_in_file(array: np.ndarray) -> tuple[object, ...] | None:
    """Return the arguments by which `mapped_again` maps an array from its file; None for one that
    is not mapped from a file with a name."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or root.mode == "c" or not root.filename:
        return None
    start, begin = (each.__array_interface__["data"][0] for each in (array, root))
    return str(root.filename), root.offset + start - begin, array.shape, array.dtype, array.strides


def mapped_again(
    path: str, start: int, shape: tuple[int, ...], dtype: np.dtype, strides: tuple[int, ...]
) -> np.ndarray:
    """Return an array that begins at a byte of a file."""
    return np.ndarray(shape, dtype, np.memmap(path, np.uint8, "r"), start, strides)


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
    for frame in np.asarray(frames):  # whose frames are made faster than those of a `memmap`
        yield frame
        read += frame.nbytes
        if read > FORGET_EVERY:
            read = 0
            forget(frames)
    forget(frames)


class FrameList:
    """Frames of one shape, added one by one: in a list, or a scratch file if many."""

    def __init__(self) -> None:
        self.listed: list[np.ndarray] = []
        self.count, self.like = 0, np.empty(0)
        self.file: IO[bytes] | None = None

    def __len__(self) -> int:
        """Return how many frames there are."""
        return self.count

    def append(self, frame: np.ndarray) -> None:
        """Add a frame."""
        self.count, self.like = self.count + 1, frame if not self.count else self.like
        if self.file is not None:
            self._write(frame)
            return
        self.listed.append(frame)
        if self.count * frame.nbytes > MOST_IN_MEMORY:
            self.file = scratch_file()
            weakref.finalize(self, self.file.close)
            for each in self.listed:
                self._write(each)
            self.listed = []

    def _write(self, frame: np.ndarray) -> None:
        assert self.file is not None
        if (frame.shape, frame.dtype) != (self.like.shape, self.like.dtype):
            raise ValueError(f"frame {self.count} has another size or type than the first")
        self.file.write(np.ascontiguousarray(frame).data)

    def array(self) -> np.ndarray:
        """Return all frames [n, ...]."""
        if self.file is None:
            return np.stack(self.listed)
        self.file.flush()
        return np.memmap(self.file, self.like.dtype, "r", shape=(self.count, *self.like.shape))


def is_large(shape: tuple[int, ...], dtype: DTypeLike = np.uint16) -> bool:
    """Return whether frames [n, ...] go to a scratch file."""
    return int(np.prod(shape)) * np.dtype(dtype).itemsize > MOST_IN_MEMORY


def room_for_frames(shape: tuple[int, ...], dtype: DTypeLike = np.uint16) -> np.ndarray:
    """Return an array to be filled with frames: in memory, or mapped from a scratch file if it is
    large. The file has no name, and goes with the array."""
    if not is_large(shape, dtype):
        return np.empty(shape, dtype)
    with scratch_file() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def forget_now_and_then(frames: np.ndarray, number: int) -> None:
    """Forget the frames of [n, ...] that are filled up to a number, at intervals."""
    if number % max(1, FORGET_EVERY // max(frames[0].nbytes, 1)) == 0:
        forget(frames)
