"""Read videos of more than 8 bits through the program `ffmpeg`, where it is installed.

OpenCV returns only 8 bits of them. The program is not part of burst, and nothing else needs it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg; None where it is not installed."""
    return shutil.which("ffmpeg")


def decode_16_bits(
    program: str,
    path: Path,
    shape: tuple[int, ...],
    keep: Callable[[np.ndarray], np.ndarray],
    count: int,
) -> list[np.ndarray] | None:
    """Return `keep` of each of the first `count` frames; None where ffmpeg returns fewer. `keep`
    gets frames of this shape, [h, w] or [h, w, 3] uint16, blue first, with rows as recorded."""
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
