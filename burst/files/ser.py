"""Read SER, the video format of lucky imagers: a header of 178 bytes, then frames as they came."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burst.files.check import explained
from burst.files.gray import to_luminance
from burst.records import Sensor, StackError

HEADER_BYTES = 178

_log = logging.getLogger("burst")
_TICKS_PER_SECOND = 10_000_000
_COLORS = {0: "mono", 8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR", 100: "RGB", 101: "BGR"}
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
    def data_bytes(self) -> int:
        """The number of bytes of all frames; depths of 9 to 16 bits are stored in 16."""
        values = self.count * self.height * self.width * self.channels
        return values * (1 if self.bits <= 8 else 2)


def read_ser(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w], mapped unless in colour, and what the header says of the sensor."""
    with explained(path, "a SER file", _ADVICE):
        header = _read_header(path)
        size = path.stat().st_size
        if size < HEADER_BYTES + header.data_bytes:
            raise StackError(
                f"{path}: expected {HEADER_BYTES + header.data_bytes} bytes for {header.count}"
                f" frames of {header.width} x {header.height}, found {size}."
                " It is truncated: copy or record it again."
            )
        frames = _map_frames(path, header)
        seconds = _frame_time(path, header)
    if header.channels == 3:
        # OpenCV's order is BGR.
        frames = to_luminance(path, frames if header.color == "BGR" else frames[..., ::-1])
    cfa = "mono" if header.channels == 3 else header.color
    sensor = Sensor(white_level=2**header.bits - 1, cfa=cfa)
    return frames, replace(sensor, frame_time=seconds) if seconds else sensor


def _read_header(path: Path) -> Header:
    with path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES or not raw.startswith(b"LUCAM-RECORDER"):
        raise StackError(f"{path}: expected a SER header, found something else. {_ADVICE}")
    _, color, flag, width, height, bits, count = struct.unpack("<7i", raw[14:42])
    if color not in _COLORS:
        raise StackError(
            f"{path}: expected SER colour {', '.join(map(str, _COLORS))}, found {color}. {_ADVICE}"
        )
    if not (width > 0 and height > 0 and count > 0 and 1 <= bits <= 16):
        raise StackError(
            f"{path}: expected frames of 1 to 16 bits, found {count} of {width} x {height} pixels"
            f" and {bits} bits. {_ADVICE}"
        )
    return Header(_COLORS[color], flag, width, height, bits, count)


def _map_frames(path: Path, header: Header) -> np.ndarray:
    shape: tuple[int, ...] = (header.count, header.height, header.width)
    shape = shape if header.channels == 1 else (*shape, header.channels)
    if header.bits <= 8:
        return np.memmap(path, np.uint8, "r", HEADER_BYTES, shape)
    # Capture programs set the flag 'LittleEndian' the wrong way round: 0 means little.
    flagged, other = ("<u2", ">u2") if header.flag == 0 else (">u2", "<u2")
    frames = np.memmap(path, flagged, "r", HEADER_BYTES, shape)
    swapped = np.memmap(path, other, "r", HEADER_BYTES, shape)
    if _roughness(swapped[0]) < 0.5 * _roughness(frames[0]):
        _log.warning("%s: the byte order flag is wrong; the smoother order was taken.", path)
        return swapped
    return frames


def _roughness(frame: np.ndarray) -> float:
    """Return the mean step along a row: bytes in the wrong order look like noise."""
    return float(np.abs(np.diff(frame.astype(np.float32), axis=1)).mean())


def _frame_time(path: Path, header: Header) -> float | None:
    """Return the median seconds between the time stamps of the trailer; None without a good one."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES + header.data_bytes)
        ticks = np.frombuffer(file.read(8 * header.count), "<i8") if header.count > 1 else ()
    if len(ticks) != header.count:
        return None
    seconds = float(np.median(np.diff(ticks))) / _TICKS_PER_SECOND
    return seconds if seconds > 0 else None
