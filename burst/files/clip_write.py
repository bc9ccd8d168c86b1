"""Write a clip in segments, which outlive an interruption, and join them with the clip's sound."""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.clip import PLANAR, Clip
from burst.files.quiet import quiet_opencv
from burst.files.write import WriteError, atomic_write
from burst.lazy import cv2
from burst.log import LOG

# FFmpeg's encoders of H.264 and HEVC, the preferred first, with what they are told: a quality at
# which no loss is seen, and a lookahead that bounds the memory at 4K.
ENCODERS = {
    "libx264": ("-preset", "veryfast", "-crf", "16", "-rc-lookahead", "10"),
    "libx265": ("-preset", "ultrafast", "-crf", "16", "-tag:v", "hvc1"),
    "libopenh264": ("-b:v", "0", "-qmin", "10", "-qmax", "26"),
    "h264_videotoolbox": ("-q:v", "75"),
    "libkvazaar": ("-kvazaar-params", "qp=16"),
}
DEEP = ("libx264", "libx265")  # those that take more than 8 bits
CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv")
_BRANDS = "major_brand", "minor_version", "compatible_brands"  # which the new file has of its own
# Matrices of a display (ISO/IEC 14496-12, tkhd) by degrees counterclockwise, without their scale.
_TURNS = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}


def encoder_of(program: str, bits: int) -> str:
    """Return ffmpeg's encoder of H.264 or HEVC for values of `bits`, else WriteError."""
    offered = _offered(program)
    best = [name for name in ENCODERS if name in offered and (bits <= 8 or name in DEEP)]
    found = best or [name for name in ENCODERS if name in offered]
    if not found:
        raise WriteError(
            f"{program}: expected an encoder of H.264 or HEVC, found none of {', '.join(ENCODERS)}."
            " Install an ffmpeg that has libx264."
        )
    return found[0]


class Encoder:
    """Writes frames, each a list of planes [h, w] as those of a clip, into a file at a steady rate;
    `close` gives them their own times."""

    def __init__(self, clip: Clip, path: Path, shapes: Sequence[tuple[int, int]]) -> None:
        self.clip, self.path = clip, path
        height, width = shapes[0]
        self.ticks = round(clip.frame_time / clip.time_base) * clip.time_base.numerator
        self.scale = clip.time_base.denominator
        if clip.program is None:
            code, rate = cv2.VideoWriter.fourcc(*"mp4v"), float(1 / clip.frame_time)
            quiet_opencv()
            self.opencv = cv2.VideoWriter(str(path), code, rate, (width, height))
            if not self.opencv.isOpened():
                raise WriteError(f"{path}: expected OpenCV to write MPEG-4, found no encoder.")
            return
        found = PLANAR.match(clip.pixels)
        # Encoders need whole blocks of colour.
        halves = (2, 2) if found and found[1] == "420" else (1, 2)
        self.pad = [(-side) % half for side, half in zip((height, width), halves, strict=True)]
        encoder = encoder_of(clip.program, clip.bits)
        stated = ":".join(f"{name}={word}" for name, word in clip.colour.items())
        aspect = f"setsar={clip.aspect.numerator}/{clip.aspect.denominator}"
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        command = [
            clip.program, "-v", "error", "-nostdin", "-y", "-f", "rawvideo",
            "-pix_fmt", clip.pixels, "-s", f"{width + self.pad[1]}x{height + self.pad[0]}",
            "-framerate", f"{self.scale}/{self.ticks}", "-i", "pipe:0",
            "-vf", aspect + (f",setparams={stated}" if stated else ""), "-c:v", encoder,
            *ENCODERS[encoder], "-bf", "0", "-video_track_timescale", str(self.scale),
            "-f", "mp4", str(path),
        ]  # fmt: skip
        self.running = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self.errors)

    def add(self, planes: Sequence[np.ndarray]) -> None:
        """Write one frame."""
        if self.clip.program is None:
            self.opencv.write(cv2.cvtColor(cv2.merge(list(planes)), cv2.COLOR_YCrCb2BGR))
            return
        assert self.running.stdin is not None
        first, *others = planes
        if any(self.pad):
            first = np.pad(first, [(0, more) for more in self.pad], mode="edge")
        try:
            for plane in (first, *others):
                self.running.stdin.write(np.ascontiguousarray(plane).data)
        except BrokenPipeError as error:
            raise self._failure() from error

    def close(self, stamps: Sequence[int]) -> None:
        """End the file; the frames have these times, in units of the clip's `time_base`."""
        if self.clip.program is None:
            self.opencv.release()
            return
        assert self.running.stdin is not None
        self.running.stdin.close()
        if self.running.wait():
            raise self._failure()
        self.errors.close()
        at = [(stamp - stamps[0]) * self.clip.time_base.numerator for stamp in stamps]
        extra = [after - before - self.ticks for before, after in pairwise(at)]
        if any(extra):
            late = "".join(f"+{n}*gte(N\\,{k + 1})" for k, n in enumerate(extra) if n)
            self._restamp(f"N*{self.ticks}{late}")

    def stop(self) -> None:
        """Give up: end the program, whose file is of no use."""
        if self.clip.program is None:
            self.opencv.release()
            return
        self.running.kill()
        with suppress(OSError, ValueError):
            # What was not yet passed on cannot be.
            self.running.communicate()
        self.errors.close()

    def _restamp(self, times: str) -> None:
        """Give packet N of the file the time that a formula says, in ticks."""
        even = self.path.with_suffix(".even.mp4")
        self.path.rename(even)
        _run(
            self.clip, "-i", f"file:{even}", "-c", "copy", "-bsf:v", f"setts=ts={times}",
            "-video_track_timescale", str(self.scale), "-f", "mp4", str(self.path),
        )  # fmt: skip
        even.unlink()

    def _failure(self) -> WriteError:
        self.running.wait()
        self.errors.seek(0)
        said = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return WriteError(
            f"{self.path}: expected ffmpeg to write it, found '{(said or ['?'])[0]}'."
        )


def join(clip: Clip, parts: Sequence[tuple[Path, int]], begin: int, out: Path) -> None:
    """Join segments, each with its length, into a file with the clip's rotation, sound and tags.
    `begin` is the time of the first frame; lengths and `begin` are in units of `time_base`."""
    with atomic_write(out) as part:
        if clip.program is None:
            (path, _), *_ = parts
            path.replace(part)
            _turn(part, round(clip.rotation) % 360)
            return
        listing = parts[0][0].with_name("parts.txt")
        base = float(clip.time_base)
        lines = [f"file '{path.name}'\nduration {length * base:.6f}\n" for path, length in parts]
        listing.write_text("".join(["ffconcat version 1.0\n", *lines]), "utf-8")
        turned = ["-display_rotation", f"{clip.rotation:g}"] if clip.rotation else []
        inputs = [
            *turned, "-itsoffset", f"{begin * base:.6f}", "-f", "concat", "-safe", "0",
            "-i", f"file:{listing}", "-i", f"file:{clip.path}",
        ]  # fmt: skip
        outputs = [
            "-map", "0:v:0", "-map", "1:a?", "-map_metadata", "1", "-c:v", "copy",
            "-video_track_timescale", str(clip.time_base.denominator),
            "-movflags", "+faststart+use_metadata_tags",
            *(word for tag in _BRANDS for word in ("-metadata", f"{tag}=")),
        ]  # fmt: skip
        try:
            _run(clip, *inputs, *outputs, "-c:a", "copy", str(part))
        except WriteError:
            # A container need not take every kind of sound.
            LOG.warning(
                "%s: its sound cannot be copied as it is, and is encoded as AAC.", clip.path
            )
            _run(clip, *inputs, *outputs, "-c:a", "aac", "-b:a", "256k", str(part))


def _run(clip: Clip, *words: str) -> None:
    """Run ffmpeg; WriteError with what it says."""
    assert clip.program is not None
    done = subprocess.run(
        [clip.program, "-v", "error", "-nostdin", "-y", *words], capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise WriteError(f"{words[-1]}: expected ffmpeg to write it, found '{(said or ['?'])[0]}'.")


@lru_cache(maxsize=4)
def _offered(program: str) -> frozenset[str]:
    """Return the names of the encoders of video that ffmpeg offers."""
    said: Any = subprocess.run(
        [program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False
    ).stdout
    return frozenset(re.findall(r"^ V\S+ (\w+)", said, re.MULTILINE))


def _turn(path: Path, degrees: int) -> None:
    """Write the rotation of a display, counterclockwise, into the header of an MP4."""
    if degrees not in _TURNS:
        return
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 44  # past version, times, number and volume
    a, b, c, d = (65536 * number for number in _TURNS[degrees])
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
