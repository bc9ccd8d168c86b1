"""Read a video through OpenCV, rows as recorded: 8 bits for display, or 16 bits grey."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from burst.files.check import explained
from burst.files.clip import decode_16_bits, find_ffmpeg
from burst.files.container import Container, read_container
from burst.files.luminance import frame_luminance, read_again, warn_luminance
from burst.files.quiet import quiet_opencv
from burst.files.times import typical_step, with_times
from burst.log import LOG
from burst.mapped import FrameList, each_frame
from burst.records import Sensor, StackError

Keep = Callable[[np.ndarray], np.ndarray]

_ADVICE = "Convert it to H.264 .mp4, or to a folder of PNG frames."
# Clockwise turns to an upright image, in degrees, as orientations of EXIF.
_TURNED = {90: 6, 180: 3, 270: 8}
# FFmpeg's tag of the only format of more than 8 bits that OpenCV returns whole.
_GRAY16 = b"Y1\x00\x10"
_TWELVE_BITS = 4095
# Time stamps of a steady camera deviate from a straight line by at most this (s; share of the time
# between frames): containers round to milliseconds (Matroska), and cameras jitter.
_ROUNDED, _JITTER = 0.75e-3, 0.05


@dataclass
class _Video:
    """A decoded video.

    stated  number of frames that the file states; 0 if unknown
    rate    frames a second; 0 if unknown
    turned  degrees by which it is to be rotated for display
    tag     FFmpeg's tag of the pixel format
    shape   of a frame
    deep    whether values have 16 bits
    frames  as kept
    stamps  when each frame is shown, s
    """

    stated: int
    rate: float
    turned: int
    tag: bytes
    shape: tuple[int, ...] = ()
    deep: bool = False
    frames: FrameList = field(default_factory=FrameList)
    stamps: list[float] = field(default_factory=list)


def read_video(path: Path) -> tuple[np.ndarray, Sensor]:
    """Return frames [n, h, w] uint8, or uint16 of 16 bits grey, and their sensor. The sensor holds
    the frame time, or that of each frame if uneven, and the orientation. StackError for a truncated
    video."""
    coloured = False

    def grey(frame: np.ndarray) -> np.ndarray:
        nonlocal coloured
        coloured = frame.ndim == 3
        return frame_luminance(frame)

    frames, sensor = decode_video(path, grey)
    if coloured:
        warn_luminance(path)
    return frames, sensor


def red_first(frame: np.ndarray) -> np.ndarray:
    """Return a frame of OpenCV, [h, w, 3] blue first, with red first; [h, w] unchanged."""
    return frame if frame.ndim == 2 else np.ascontiguousarray(frame[..., ::-1])


def decode_video(path: Path, keep: Keep, count: int | None = None) -> tuple[np.ndarray, Sensor]:
    """Return `keep` of each of the first `count` frames, or of all, and their sensor. `keep` gets
    each frame with its rows as recorded: [h, w, 3] uint8, blue first, or [h, w] uint16. StackError
    for a video without frames, and for a truncated one."""
    quiet_opencv()
    with explained(path, "a video", _ADVICE):
        container = read_container(path)
        video = _with_all_bits(path, _decode(path, keep, count), keep)
    if count is None:
        _check_whole(path, container, video)
        _warn_lost(path, container, video)
    if not video.frames:
        raise StackError(f"{path}: expected a video, found no frame in it. {_ADVICE}")
    return video.frames.array(), _sensor(path, video)


def _decode(path: Path, keep: Keep, count: int | None) -> _Video:
    capture = cv2.VideoCapture(str(path))
    try:
        # OpenCV would rotate the frames, whose rows would no longer be those of the sensor.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        video = _Video(
            round(_valid(capture.get(cv2.CAP_PROP_FRAME_COUNT))),
            _valid(capture.get(cv2.CAP_PROP_FPS)),
            int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360,
            int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)).to_bytes(8, "little", signed=True)[
                :4
            ],
        )
        video.deep = video.tag == _GRAY16
        if video.deep:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        while count is None or len(video.frames) < count:
            there, frame = capture.read()
            if not there:
                break
            video.shape = frame.shape
            video.frames.append(keep(np.asarray(frame)))
            video.stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    finally:
        capture.release()
    return video


def _with_all_bits(path: Path, video: _Video, keep: Keep) -> _Video:
    """Return a video with all its bits, if ffmpeg is installed."""
    program = find_ffmpeg()
    if video.deep or _bits(video.tag) <= 8 or program is None or not video.frames:
        return video
    shape = video.shape[:2] if video.tag[:2] == b"Y1" else video.shape
    read_again()
    frames = decode_16_bits(program, path, shape, keep, len(video.frames))
    if frames is None:
        return video
    deep = replace(video, frames=FrameList(), deep=True)
    for frame in frames:
        deep.frames.append(frame)
    return deep


def _check_whole(path: Path, container: Container, video: _Video) -> None:
    """Raise StackError for a truncated video."""
    found = len(video.frames)
    if container.unindexed or (container.truncated and (found < video.stated or not found)):
        wanted = f"{container.expected} bytes" if container.truncated else "an index"
        has = f"{container.found}" if container.truncated else "none"
        of = f" with {video.stated} frames" if video.stated else ""
        raise StackError(
            f"{path}: expected {wanted}{of}, found {has} and {found} frames."
            " It is truncated: copy or record it again."
        )


def _warn_lost(path: Path, container: Container, video: _Video) -> None:
    """Warn of bits and of frames that are lost. Fewer frames than follow from the duration are no
    fault if they fill it: frame rates vary, and edit lists leave frames out. A container that
    counts frames may err by one."""
    bits, found = _bits(video.tag), len(video.frames)
    if bits > 8 and not video.deep:
        LOG.warning(
            "%s: its %d bits are read as 8. Install the program ffmpeg, by which all are read.",
            path, bits,
        )  # fmt: skip
    if not found or not video.rate:
        return
    shown = round((video.stamps[-1] - video.stamps[0]) * video.rate) + 1
    stated = round(container.seconds * video.rate) or video.stated
    if container.counts:
        missing = min(stated, video.stated) - found
        lost = missing > 1 or (missing == 1 and shown > found)
    else:
        lost = max(found, shown) < stated - 1
    if lost:
        LOG.warning(
            "%s: expected the stated %d frames, found %d that can be decoded. It is damaged or was"
            " cut: copy or record it again.", path, stated, found,
        )  # fmt: skip


def _sensor(path: Path, video: _Video) -> Sensor:
    """Return the sensor of a video: levels, times, orientation."""
    sensor = Sensor(white_level=255, transfer="srgb", orientation=_TURNED.get(video.turned, 1))
    if video.tag == _GRAY16:
        sensor = replace(sensor, white_level=_white_of(path, video), transfer="linear")
    elif video.deep:
        sensor = replace(sensor, white_level=65535)
    if video.rate:
        sensor = replace(sensor, frame_time=1 / video.rate)
    if _is_even(video.stamps):
        return sensor
    return with_times(path, sensor, _unrounded(video.stamps))


def _valid(number: float) -> float:
    """Return a number that a video states; 0 for an impossible one."""
    return number if math.isfinite(number) and 0 < number < 2**31 else 0.0


def _white_of(path: Path, video: _Video) -> float:
    """Return the white level of 16-bit frames; cameras store 12 bits in them."""
    if max(int(frame.max()) for frame in each_frame(video.frames.array())) > _TWELVE_BITS:
        return 65535
    LOG.warning(
        "%s: none of its 16-bit values is above %d, so they are taken as 12 bit. If they are not,"
        " pass --white-level 65535.", path, _TWELVE_BITS,
    )  # fmt: skip
    return _TWELVE_BITS


def _bits(tag: bytes) -> int:
    """Return the bits per colour of FFmpeg's tag of a pixel format; 8 if it does not state them.
    Tags of planar formats of more than 8 bits are Y1, Y3, Y4, G3 or G4, their subsampling, and
    their bits; the letters come last where the high byte comes first."""
    for name, bits in ((tag[:2], tag[3]), (tag[:1:-1], tag[0])):
        if name[:1] in b"YG" and name[1:] in (b"1", b"3", b"4") and 8 < bits <= 16:
            return bits
    return 10 if tag[:3] in (b"P01", b"P21") else 8


def _is_even(stamps: list[float]) -> bool:
    """Return whether times are evenly spaced, but for rounding and jitter."""
    if len(stamps) < 3:
        return True
    order = np.arange(len(stamps))
    left = np.abs(stamps - np.polyval(np.polyfit(order, stamps, 1), order)).max()
    allowed = max(_JITTER * typical_step(stamps), _ROUNDED if _whole(stamps) else 0.0)
    return bool(left <= allowed)


def _unrounded(stamps: list[float]) -> list[float]:
    """Return times before rounding to milliseconds, if they are those of a steady camera."""
    steps, step = np.diff(stamps), typical_step(stamps)
    if not _whole(stamps) or step <= 0:
        return stamps
    skipped = np.cumsum(np.rint(steps / step))
    exact = skipped * (stamps[-1] - stamps[0]) / max(skipped[-1], 1)
    near = np.abs(exact - (np.array(stamps[1:]) - stamps[0])).max() <= 2 * _ROUNDED
    return [0.0, *exact.tolist()] if near else stamps


def _whole(stamps: list[float]) -> bool:
    """Return whether times (s) are whole milliseconds."""
    return all(abs(1000 * stamp - round(1000 * stamp)) < 1e-3 for stamp in stamps)
