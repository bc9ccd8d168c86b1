"""Read a clip frame by frame: planes as they are stored, the time of each frame, and what the file
says of colour, rotation and camera. Through the program `ffmpeg` where it is installed, otherwise
through OpenCV."""

from __future__ import annotations

import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from burst.files.check import explained
from burst.files.container import read_container
from burst.files.quiet import quiet_opencv
from burst.lazy import cv2
from burst.records import StackError

ADVICE = "Convert it to H.264 .mp4."
LOOKED_AT = 24  # frames, whose times say how far apart frames are where the rate is not even
_SAME = 0.02  # share by which the stated rate may differ from these times, which may be rounded
# Names of pixel formats of FFmpeg that are kept: planes of luminance and colour differences.
PLANAR = re.compile(r"(?:yuvj?(420|422|444)p|gray)(\d*)(?:le)?$")
_DEEP = re.compile(r"p0?1[0-6]|1[0-6](?:le|be)|48|64")
_SIDES = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}
_FRAME = re.compile(r" n: *\d+ pts: *(-?\d+) .* fmt:(\w+) .*?sar:(\d+)/(\d+) s:(\d+)x(\d+)")
_BASE = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_COLOUR = re.compile(r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
_TAG = re.compile(r"^ {4,}([\w.:-]+) *: (.+)$", re.MULTILINE)
_FIELDS = ("range", "colorspace", "color_primaries", "color_trc")  # of FFmpeg's filter setparams


@dataclass(frozen=True)
class Clip:
    """What is known of a video before its frames are decoded.

    program     path of ffmpeg; None where OpenCV reads
    pixels      FFmpeg's name of the pixel format in which frames are read
    time_base   s, of the time stamps
    frame_time  s, between frames as a rule
    seconds     duration; 0 where it is not stated
    rotation    degrees counterclockwise by which a player rotates the frames
    aspect      width of a pixel over its height
    colour      range, matrix, primaries and curve by FFmpeg's names, where they are stated
    tags        what the file says of its camera, by the names in the file
    """

    path: Path
    program: str | None
    width: int
    height: int
    pixels: str
    time_base: Fraction
    frame_time: Fraction
    seconds: float
    rotation: float = 0.0
    aspect: Fraction = Fraction(1)
    colour: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def bits(self) -> int:
        """Bits of a value."""
        found = PLANAR.match(self.pixels)
        return int(found[2] or 8) if found else 8

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of each plane."""
        found = PLANAR.match(self.pixels)
        if found is None or not found[1]:
            return [(self.height, self.width)] * (3 if found is None else 1)
        down, across = _SIDES[found[1]]
        colour = (-(-self.height // down), -(-self.width // across))
        return [(self.height, self.width), colour, colour]

    @property
    def black(self) -> float:
        """The luminance value of black."""
        full = self.colour.get("range") == "pc" or "yuvj" in self.pixels or self.program is None
        return 0.0 if full else 16.0 * 2 ** (self.bits - 8)

    @property
    def count(self) -> int:
        """How many frames are expected; 0 if it is not known."""
        return round(self.seconds / float(self.frame_time))


@dataclass(frozen=True)
class ClipFrame:
    """Planes [h, w] of a frame, luminance first, and its time in units of the clip's `time_base`,
    from the begin of the file."""

    planes: list[np.ndarray]
    stamp: int


def find_ffmpeg() -> str | None:
    """Return the path of the program ffmpeg, which is no part of burst; None where it is not
    installed."""
    return shutil.which("ffmpeg")


def open_clip(path: Path) -> Clip:
    """Return what is known of a video; StackError for what is none, and for a truncated one."""
    quiet_opencv()
    with explained(path, "a video", ADVICE):
        container = read_container(path)
    if container.truncated or container.unindexed:
        wanted = f"{container.expected} bytes" if container.truncated else "an index"
        raise StackError(
            f"{path}: expected {wanted}, found {container.found}. It is truncated: copy or record"
            " it again."
        )
    program = find_ffmpeg()
    return _open_opencv(path) if program is None else _open_ffmpeg(path, program)


def frames_of(clip: Clip, begin: float = 0.0, count: int | None = None) -> Iterator[ClipFrame]:
    """Yield the frames of a clip, or `count` of them from about `begin` seconds on, whose stamps
    then count from there."""
    read = _frames_of_opencv if clip.program is None else _frames_of_ffmpeg
    return read(clip, begin, count)


def decode_16_bits(
    program: str,
    path: Path,
    shape: tuple[int, ...],
    keep: Callable[[np.ndarray], np.ndarray],
    count: int,
) -> list[np.ndarray] | None:
    """Read a video of more than 8 bits, of which OpenCV returns only 8. Return `keep` of each of
    the first `count` frames; None where ffmpeg returns fewer. `keep` gets frames of this shape,
    [h, w] or [h, w, 3] uint16, blue first, with rows as recorded."""
    pixels = "gray16le" if len(shape) == 2 else "bgr48le"
    # Without `file:`, a name with a colon would be taken as a protocol.
    command = [
        program, "-v", "quiet", "-nostdin", "-noautorotate", "-i", f"file:{path}", "-map", "0:v:0",
        "-fps_mode", "passthrough", "-frames:v", str(count), "-sws_flags", "accurate_rnd+bitexact",
        "-f", "rawvideo", "-pix_fmt", pixels, "pipe:1",
    ]  # fmt: skip
    size = 2 * int(np.prod(shape))
    frames: list[np.ndarray] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        while len(raw := running.stdout.read(size)) == size:
            frames.append(keep(np.frombuffer(raw, "<u2").reshape(shape)))
    return frames if len(frames) == count and running.returncode == 0 else None


def _open_ffmpeg(path: Path, program: str) -> Clip:
    said = subprocess.run(
        [
            *_reading(program, path), "-frames:v", str(LOOKED_AT),
            "-vf", "showinfo=checksum=0", "-f", "null", "-",
        ],
        capture_output=True, check=False,
    ).stderr.decode("utf-8", "replace")  # fmt: skip
    frame, base = _FRAME.search(said), _BASE.search(said)
    if frame is None or base is None:
        raise StackError(f"{path}: expected a video, found no frame in it. {ADVICE}")
    colour = _COLOUR.search(said)
    stated = zip(_FIELDS, colour.groups() if colour else (), strict=False)
    rotation = re.search(r"rotation of (-?[\d.]+) degrees", said)
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    hours, minutes, seconds = (float(part) for part in length.groups()) if length else (0.0,) * 3
    ticks, unit, rate, per = (int(number) for number in base.groups())
    base_time = Fraction(ticks, unit)
    steps = np.diff([int(one[1]) for one in _FRAME.finditer(said)])
    stated_time = Fraction(per, rate) if rate else Fraction(1, 30)
    seen = Fraction(int(np.median(steps))) * base_time if len(steps) else stated_time
    even = abs(float(seen - stated_time)) <= max(_SAME * float(stated_time), float(base_time))
    aspect = Fraction(int(frame[3]), max(int(frame[4]), 1))
    return Clip(
        path=path,
        program=program,
        width=int(frame[5]),
        height=int(frame[6]),
        pixels=_read_as(frame[2]),
        time_base=base_time,
        frame_time=stated_time if even or not seen else seen,
        seconds=3600 * hours + 60 * minutes + seconds,
        rotation=float(rotation[1]) if rotation else 0.0,
        aspect=aspect or Fraction(1),
        colour={name: word for name, word in stated if word not in ("unknown", "reserved")},
        tags=dict(_TAG.findall(said.partition("Stream mapping")[0])),
    )


def _read_as(pixels: str) -> str:
    """Return the planar format in which pixels are read: theirs, or one that keeps their bits."""
    if PLANAR.match(pixels):
        return pixels
    sampling = "444" if re.match(r"gbr|rgb|bgr|[a0]?[rb]g|ayuv|vuy|xyz", pixels) else "420"
    sampling = "422" if re.match(r"[pn][v]?2|yuyv|uyvy|y21", pixels) else sampling
    return f"yuv{sampling}p" + ("10le" if _DEEP.search(pixels) else "")


def _reading(program: str, path: Path, begin: float = 0.0) -> list[str]:
    # Without `file:`, a name with a colon would be taken as a protocol.
    return [
        program, "-hide_banner", "-nostats", "-v", "info", "-nostdin", "-noautorotate",
        *(["-ss", f"{begin:.6f}"] if begin else []),
        "-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough",
    ]  # fmt: skip


def _frames_of_ffmpeg(clip: Clip, begin: float, count: int | None) -> Iterator[ClipFrame]:
    assert clip.program is not None
    command = [
        *_reading(clip.program, clip.path, begin),
        *(["-frames:v", str(count)] if count else []),
        "-vf", "showinfo=checksum=0", "-f", "rawvideo", "-pix_fmt", clip.pixels, "pipe:1",
    ]  # fmt: skip
    dtype = np.dtype("<u2" if clip.bits > 8 else "u1")
    sizes = [height * width for height, width in clip.shapes]
    stamps: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        listener = threading.Thread(target=_hear, args=(running.stderr, stamps), daemon=True)
        listener.start()
        try:
            while len(raw := running.stdout.read(sum(sizes) * dtype.itemsize)):
                if len(raw) < sum(sizes) * dtype.itemsize:
                    break
                stamp = stamps.get()
                if stamp is None:
                    break
                parts = np.split(np.frombuffer(raw, dtype), np.cumsum(sizes)[:-1])
                shaped = zip(parts, clip.shapes, strict=True)
                yield ClipFrame([part.reshape(shape) for part, shape in shaped], stamp)
        finally:
            running.kill()
            listener.join()


def _hear(stderr: IO[bytes], stamps: queue.SimpleQueue[int | None]) -> None:
    """Pass on the time stamp of each frame that ffmpeg tells, and None at the end."""
    for line in stderr:
        if found := _FRAME.search(line.decode("utf-8", "replace")):
            stamps.put(int(found[1]))
    stamps.put(None)


def _open_opencv(path: Path) -> Clip:
    capture = cv2.VideoCapture(str(path))
    try:
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        there, frame = capture.read()
        if not there:
            raise StackError(f"{path}: expected a video, found no frame in it. {ADVICE}")
        rate = Fraction(capture.get(cv2.CAP_PROP_FPS) or 30).limit_denominator(1001)
        return Clip(
            path=path,
            program=None,
            width=frame.shape[1],
            height=frame.shape[0],
            pixels="ycrcb",
            time_base=1 / rate,
            frame_time=1 / rate,
            seconds=float(capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate),
            # OpenCV says by how much an upright image is turned clockwise.
            rotation=-float(capture.get(cv2.CAP_PROP_ORIENTATION_META)),
        )
    finally:
        capture.release()


def _frames_of_opencv(clip: Clip, begin: float, count: int | None) -> Iterator[ClipFrame]:
    capture = cv2.VideoCapture(str(clip.path))
    try:
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        if begin:
            capture.set(cv2.CAP_PROP_POS_FRAMES, round(begin / float(clip.frame_time)))
        done = 0
        while count is None or done < count:
            there, frame = capture.read()
            if not there:
                return
            planes = cv2.split(cv2.cvtColor(frame, cv2.COLOR_BGR2YCrCb))
            yield ClipFrame([np.asarray(plane) for plane in planes], done)
            done += 1
    finally:
        capture.release()
