"""Read SER, the video format of lucky imaging: a header of 178 bytes, frames, time stamps."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burst.files.check import explained, mean_step, naming
from burst.files.luminance import to_luminance
from burst.files.times import with_times
from burst.files.values import aligned_white
from burst.log import LOG
from burst.mapped import each_frame
from burst.records import Sensor, StackError

HEADER_BYTES = 178
_MAGIC = b"LUCAM-RECORDER"

_TICKS_PER_SECOND = 10_000_000
_STAMP_BYTES = 8
_FIRST_TICK = 63_871_632_000 * _TICKS_PER_SECOND  # 2025-01-01, since the year 1
_COLORS = {0: "mono", 8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR", 100: "RGB", 101: "BGR"}
_COMPLEMENTARY = {16: "CYYM", 17: "YCMY", 18: "YMCY", 19: "MYYC"}
_ADVICE = "Record it again as mono or Bayer SER, or convert it to .npy."


@dataclass(frozen=True)
class Header:
    """The first 178 bytes: colour, byte order flag, size in pixels, bits, number of frames."""

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
        """The number of bytes of one frame; 9 to 16 bits are stored in 16."""
        values = self.height * self.width * self.channels
        return values * (1 if self.bits <= 8 else 2)

    @property
    def data_bytes(self) -> int:
        """The number of bytes of all frames."""
        return self.count * self.frame_bytes


def read_ser(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w], mapped unless in colour, and the sensor of the header. All frames in
    the file are read: programs that are stopped leave a wrong count in the header."""
    with explained(path, "a SER file", _ADVICE):
        header = _read_header(path)
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
    """Return how many pixels a file holds, from its header and size."""
    with explained(path, "a SER file", _ADVICE):
        header = _read_header(path)
    return header.count * header.height * header.width


def write_ser(path: Path, frames: np.ndarray, sensor: Sensor) -> None:
    """Write frames [n, h, w], or [n, h, w, 3] red first, with the times of the sensor."""
    bits = max(8, int(sensor.white_level).bit_length())
    color = next(
        code
        for code, name in _COLORS.items()
        if name == ("RGB" if frames.ndim == 4 else sensor.cfa)
    )
    count, height, width = frames.shape[:3]
    # Flag 0 means little-endian to all programs, though the specification has it the other way.
    header = struct.pack("<7i", 0, color, 0, width, height, bits, count)
    times = sensor.frame_times or [sensor.frame_time * number for number in range(count)]
    ticks = [_FIRST_TICK + round(time * _TICKS_PER_SECOND) for time in times]
    names = b"".join(name.ljust(40) for name in (b"", b"burst", b""))
    with path.open("wb") as file:
        file.write(_MAGIC + header + names + struct.pack("<2q", ticks[0], ticks[0]))
        for frame in each_frame(frames):
            file.write(frame.astype("<u2" if bits > 8 else np.uint8).tobytes())
        file.write(np.array(ticks, "<i8").tobytes())


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
    header = Header(_COLORS[color], flag, width, height, bits, count)
    return _with_true_count(path, header, path.stat().st_size - HEADER_BYTES)


def _with_true_count(path: Path, header: Header, size: int) -> Header:
    """Return the header with the frames that `size` bytes hold; StackError for a cut one."""
    if header.count and size in (header.data_bytes, header.data_bytes + header.count * 8):
        return header
    found = _count_in(size, header.frame_bytes)
    if found is None and size >= header.data_bytes and header.count:
        # Other data follows the frames.
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
    LOG.warning(
        "%s: its header counts %d frames, the file holds %d; these are read.",
        path, header.count, count,
    )  # fmt: skip
    return replace(header, count=count)


def _count_in(size: int, frame_bytes: int) -> int | None:
    """Return how many whole frames fill a size, with or without time stamps; else None."""
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
    if _is_8_bit(frames):
        # Both orders are equally smooth; no known program writes the larger byte first.
        return frames if flagged == "<u2" else swapped
    if _roughness(swapped[0]) < 0.5 * _roughness(frames[0]):
        LOG.warning("%s: the byte order flag is wrong; the smoother order was taken.", path)
        return swapped
    return frames


def _is_8_bit(frames: np.ndarray) -> bool:
    """Return whether one of the two bytes of every value is 0: 8 bits stored in 16."""
    used = int(np.bitwise_or.reduce(frames[0], axis=None))
    return not used & 0xFF or not used & 0xFF00


def _roughness(frame: np.ndarray) -> float:
    """Return the mean step along a row over the spread; large for a wrong byte order."""
    spread = float(frame.std())
    return mean_step(frame) / spread if spread else 0.0


def _white_of(path: Path, header: Header, frames: np.ndarray) -> float:
    """Return the white level, from the header and the values. A header that states 16 bits may mean
    fewer, at the lower or the upper end."""
    stated = float(2**header.bits - 1)
    if header.bits <= 8:
        return stated
    aligned = aligned_white(frames)
    highest = max(int(frame.max()) for frame in each_frame(frames))
    if aligned is not None and (header.bits == 16 or highest > stated):
        white = aligned
    elif header.bits < 16:
        return stated
    else:
        white = next(float(end) for end in (255, 4095, 16383, 65535) if highest <= end)
    if white != stated:
        LOG.info(
            "%s: its header says %d bits, its values reach %d: white is taken as %g.",
            path, header.bits, highest, white,
        )  # fmt: skip
    return white


def _stamps(path: Path, header: Header) -> list[float] | None:
    """Return the seconds of each frame from the first; None without time stamps."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES + header.data_bytes)
        ticks = np.frombuffer(file.read(_STAMP_BYTES * header.count), np.uint8)
    if ticks.size != _STAMP_BYTES * header.count:
        return None
    since = ticks.view("<i8").astype(object) - int(ticks.view("<i8")[0])
    return [float(tick) / _TICKS_PER_SECOND for tick in since]
