"""Read videos of more than 8 bits through the program `ffmpeg`, where there is one.

OpenCV hands on 8 bits of them. The program is no part of burst, and nothing else needs it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

PROGRAM = "ffmpeg"


def find_program() -> str | None:
    """Return where ffmpeg is; None where there is none."""
    return shutil.which(PROGRAM)


def decode_deep(
    program: str,
    path: Path,
    shape: tuple[int, ...],
    keep: Callable[[np.ndarray], np.ndarray],
    count: int,
) -> list[np.ndarray] | None:
    """Return what is kept of the first `count` frames of this shape, [h, w] or [h, w, 3] uint16,
    blue first, as their rows were recorded; None where ffmpeg does not give as many."""
    pixels = "gray16le" if len(shape) == 2 else "bgr48le"
    # Without `file:`, a name with a colon would be a protocol.
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
