"""Read SER, the video format of lucky imagers: a header of 178 bytes, the frames, time stamps."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burst.files.check import explained, mean_step, naming
from burst.files.gray import to_luminance
from burst.files.times import with_times
from burst.files.values import aligned_white
from burst.records import Sensor, StackError

HEADER_BYTES = 178
_MAGIC = b"LUCAM-RECORDER"

_log = logging.getLogger("burst")
_TICKS_PER_SECOND = 10_000_000
_STAMP_BYTES = 8
_COLORS = {0: "mono", 8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR", 100: "RGB", 101: "BGR"}
_COMPLEMENTARY = {16: "CYYM", 17: "YCMY", 18: "YMCY", 19: "MYYC"}
_ADVICE = "Record it again as mono or Bayer SER, or convert it to .npy."


@dataclass(frozen=True)
class Header:
    """What the first 178 bytes say: colour, byte order flag, size in pixels, bits, frames."""

    color: str
    flag: int
    width: int
    height: int
    bits: int
    count: int

    @property
    def channels(self) -> int:
        """The number of values per pixel."""
        return 3 if self.color in ("RGB", "BGR") else 1

    @property
    def frame_bytes(self) -> int:
        """The number of bytes of one frame; depths of 9 to 16 bits are stored in 16."""
        values = self.height * self.width * self.channels
        return values * (1 if self.bits <= 8 else 2)

    @property
    def data_bytes(self) -> int:
        """The number of bytes of all frames."""
        return self.count * self.frame_bytes


def read_ser(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w], mapped unless in colour, and what the header says of the sensor.

    As many frames as the file holds: programs that are stopped leave a wrong count behind.
    """
    with explained(path, "a SER file", _ADVICE):
        header = _counted(path, _read_header(path), path.stat().st_size - HEADER_BYTES)
        frames = _map_frames(path, header)
        stamps = _stamps(path, header)
    white = _white_of(path, header, frames)
    if header.channels == 3:
        # OpenCV's order is BGR.
        frames = to_luminance(path, frames if header.color == "BGR" else frames[..., ::-1])
    cfa = "mono" if header.channels == 3 else header.color
    with naming(path):
        return frames, with_times(path, Sensor(white_level=white, cfa=cfa), stamps)


def count_pixels(path: Path) -> int:
    """Return how many pixels a file holds, by its header and its size alone."""
    with explained(path, "a SER file", _ADVICE):
        header = _counted(path, _read_header(path), path.stat().st_size - HEADER_BYTES)
    return header.count * header.height * header.width


def _read_header(path: Path) -> Header:
    with path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES or not raw.startswith(_MAGIC):
        raise StackError(f"{path}: expected a SER header, found something else. {_ADVICE}")
    _, color, flag, width, height, bits, count = struct.unpack("<7i", raw[14:42])
    if color in _COMPLEMENTARY:
        raise StackError(
            f"{path}: expected mono, Bayer or RGB frames, found SER colour {color}, the pattern"
            f" {_COMPLEMENTARY[color]} of cyan, yellow and magenta, which is not read. {_ADVICE}"
        )
    if color not in _COLORS:
        raise StackError(
            f"{path}: expected SER colour {', '.join(map(str, _COLORS))}, found {color}. {_ADVICE}"
        )
    if not (width > 0 and height > 0 and count >= 0 and 1 <= bits <= 16):
        raise StackError(
            f"{path}: expected frames of 1 to 16 bits, found {count} of {width} x {height} pixels"
            f" and {bits} bits. {_ADVICE}"
        )
    return Header(_COLORS[color], flag, width, height, bits, count)


def _counted(path: Path, header: Header, size: int) -> Header:
    """Return the header with the count of frames in `size` bytes; StackError where one is cut."""
    if header.count and size in (header.data_bytes, header.data_bytes + header.count * 8):
        return header
    found = _count_in(size, header.frame_bytes)
    if found is None and size >= header.data_bytes and header.count:
        # Something else follows the frames; it is no frame.
        return header
    if header.count and found is None:
        whole = size // header.frame_bytes
        raise StackError(
            f"{path}: expected {HEADER_BYTES + header.data_bytes} bytes for {header.count}"
            f" frames of {header.width} x {header.height}, found {HEADER_BYTES + size}."
            f" It is truncated after {whole} frames: copy or record it again."
        )
    count = size // header.frame_bytes if found is None else found
    if not count:
        raise StackError(f"{path}: expected frames, found none behind the header. {_ADVICE}")
    _log.warning(
        "%s: its header counts %d frames, the file holds %d; these are read.",
        path, header.count, count,
    )  # fmt: skip
    return replace(header, count=count)


def _count_in(size: int, frame_bytes: int) -> int | None:
    """Return how many whole frames fill a size, each with a time stamp or all without; None where
    they leave a rest."""
    for each in (frame_bytes, frame_bytes + _STAMP_BYTES):
        if size and size % each == 0:
            return size // each
    return None


def _map_frames(path: Path, header: Header) -> np.ndarray:
    shape: tuple[int, ...] = (header.count, header.height, header.width)
    shape = shape if header.channels == 1 else (*shape, header.channels)
    if header.bits <= 8:
        return np.memmap(path, np.uint8, "r", HEADER_BYTES, shape)
    # Capture programs set the flag 'LittleEndian' the wrong way round: 0 means little.
    flagged, other = ("<u2", ">u2") if header.flag == 0 else (">u2", "<u2")
    frames = np.memmap(path, flagged, "r", HEADER_BYTES, shape)
    swapped = np.memmap(path, other, "r", HEADER_BYTES, shape)
    if _one_byte_alone(frames):
        # Both orders are equally smooth; no program that is known writes the larger byte first.
        return frames if flagged == "<u2" else swapped
    if _roughness(swapped[0]) < 0.5 * _roughness(frames[0]):
        _log.warning("%s: the byte order flag is wrong; the smoother order was taken.", path)
        return swapped
    return frames


def _one_byte_alone(frames: np.ndarray) -> bool:
    """Tell whether one of the two bytes of every value is 0, as of 8 bits that fill 16."""
    used = int(np.bitwise_or.reduce(frames[0], axis=None))
    return not used & 0xFF or not used & 0xFF00


def _roughness(frame: np.ndarray) -> float:
    """Return the mean step along a row in units of the spread: bytes in the wrong order look like
    noise."""
    spread = float(frame.std())
    return mean_step(frame) / spread if spread else 0.0


def _white_of(path: Path, header: Header, frames: np.ndarray) -> float:
    """Return the white level. A header that says 16 bits may mean fewer, at the lower end or at
    the upper one; what the values use tells."""
    said = float(2**header.bits - 1)
    if header.bits <= 8:
        return said
    aligned = aligned_white(frames)
    highest = max(int(frame.max()) for frame in frames)
    if aligned is not None and (header.bits == 16 or highest > said):
        white = aligned
    elif header.bits < 16:
        return said
    else:
        white = next(float(end) for end in (255, 4095, 16383, 65535) if highest <= end)
    if white != said:
        _log.info(
            "%s: its header says %d bits, its values reach %d: white is taken as %g.",
            path, header.bits, highest, white,
        )  # fmt: skip
    return white


def _stamps(path: Path, header: Header) -> list[float] | None:
    """Return the seconds of each frame from the first, of the stamps behind the frames; None
    without them."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES + header.data_bytes)
        ticks = np.frombuffer(file.read(_STAMP_BYTES * header.count), np.uint8)
    if ticks.size != _STAMP_BYTES * header.count:
        return None
    since = ticks.view("<i8").astype(object) - int(ticks.view("<i8")[0])
    return [float(tick) / _TICKS_PER_SECOND for tick in since]
