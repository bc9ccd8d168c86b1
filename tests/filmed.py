"""Small clips of a rolling shutter that several tests share."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from burst.data.clips import FilmedScene, film
from burst.files.clip import find_ffmpeg
from burst.files.quiet import quiet_opencv

SIZE = (96, 128)
RATE = 30
needs_ffmpeg = pytest.mark.skipif(find_ffmpeg() is None, reason="the program ffmpeg is not there")


def scene(**words: object) -> FilmedScene:
    """Return the astronaut before a camera, without motion unless said."""
    small = cv2.resize(data.astronaut()[..., ::-1], (256, 256), interpolation=cv2.INTER_AREA)
    return FilmedScene(small[None], **words)  # type: ignore[arg-type]


def filmed(
    before: FilmedScene, count: int, readout: float = 0.8, scan: str = "top"
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return frames and truths; `readout` is in frame times."""
    frames = itertools.islice(film(before, SIZE, 1 / RATE, readout / RATE, scan), count)
    recorded, truths = zip(*frames, strict=True)
    return list(recorded), list(truths)


def write_plain(path: Path, frames: list[np.ndarray]) -> Path:
    """Write frames by OpenCV."""
    code = cv2.VideoWriter.fourcc(*"mp4v")
    quiet_opencv()
    writer = cv2.VideoWriter(str(path), code, RATE, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def write_with_sound(path: Path, frames: list[np.ndarray], *words: str) -> Path:
    """Write frames by ffmpeg at 30000/1001 frames a second, with a tone."""
    height, width = frames[0].shape[:2]
    command = [
        str(find_ffmpeg()), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24",
        "-s", f"{width}x{height}", "-framerate", "30000/1001", "-i", "pipe:0",
        "-f", "lavfi", "-i", "sine=f=440:d=1", "-c:v", "libx264", "-crf", "10",
        "-pix_fmt", "yuv420p", *words, str(path),
    ]  # fmt: skip
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)
    return path


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR of an image away from its edges, dB."""
    apart = (image.astype(float) - truth)[10:-10, 14:-14]
    return float(-10 * np.log10(np.mean(apart**2) / 255**2))
