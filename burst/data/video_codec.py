"""What lossy codecs leave of frames in 8 bit: JPEG, H.264, and a model of a video codec.

The model does what all video codecs since H.261 do: a frame is told from the one before, and the
transform of what is left is rounded, block by block. So what hardly changes does not change at all,
and noise, fine detail and small motion are held back from frame to frame. It searches no motion
and smoothes no blocks; it runs on a GPU and repeats to the bit, which encoders of programs do not.
"""

from __future__ import annotations

import math
import subprocess

import cv2
import numpy as np
import torch
from einops import einsum, rearrange
from torch.nn import functional

from burst.files.clip import find_ffmpeg
from burst.settings import ConfigError

BLOCK = 8
GROUP = 12  # frames from one that is coded by itself to the next
# Rounding of H.264's reference encoder: up from 2/3 of a step in whole frames, from 5/6 in others.
WHOLE, DIFFERENCE = 1 / 3, 1 / 6


def as_jpeg(frames: np.ndarray, quality: int) -> np.ndarray:
    """Return frames [n, h, w] uint8 as they come back from JPEG files."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    files = [cv2.imencode(".jpg", frame, flags)[1] for frame in frames]
    return np.stack([np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)) for file in files])


def as_h264(frames: np.ndarray, quality: int) -> np.ndarray:
    """Return frames [n, h, w] uint8 as they come back from H.264 of a constant quality, 1 to 51
    (CRF), by the program ffmpeg; ConfigError where there is none, or it lacks the encoder."""
    program = find_ffmpeg()
    if program is None:
        raise ConfigError(
            "h264: expected the program ffmpeg, found none. Install it, or ask for codec instead,"
            " which needs no program."
        )
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    plain = ["-f", "rawvideo", "-pix_fmt", "gray"]
    # One thread, so that the same frames give the same file.
    encoder = ["-c:v", "libx264", "-crf", str(quality), "-threads", "1"]
    file = _through(program, [*plain, "-s", size, "-i", "-", *encoder, "-f", "h264"], frames)
    shown = _through(program, ["-f", "h264", "-i", "-", *plain], file)
    return np.frombuffer(shown, np.uint8).reshape(frames.shape)


def _through(program: str, options: list[str], data: bytes | np.ndarray) -> bytes:
    """Return what ffmpeg makes of data; ConfigError with what it says."""
    command = [program, "-v", "error", *options, "pipe:1"]
    raw = data if isinstance(data, bytes) else data.tobytes()
    done = subprocess.run(command, input=raw, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise ConfigError(
            f"h264: expected {program} to encode by libx264, found '{said[-1]}'. Install an ffmpeg"
            " that has it, or ask for codec instead."
        )
    return done.stdout


def as_video(frames: torch.Tensor, step: float) -> torch.Tensor:
    """Return frames [n, h, w], in DN of 8 bit, as they come back from a video whose codec rounds
    to multiples of `step`."""
    height, width = frames.shape[-2:]
    pad = (0, -width % BLOCK, 0, -height % BLOCK)
    padded = functional.pad(frames[:, None], pad, "replicate")[:, 0]
    basis = _cosines().to(frames)
    before = torch.zeros_like(padded[0])
    shown = []
    for number, frame in enumerate(padded):
        is_whole = number % GROUP == 0
        guess = torch.full_like(frame, 128.0) if is_whole else before
        left = _rounded(frame - guess, basis, step, WHOLE if is_whole else DIFFERENCE)
        before = (guess + left).round().clamp(0, 255)
        shown.append(before[:height, :width])
    return torch.stack(shown)


def _rounded(image: torch.Tensor, basis: torch.Tensor, step: float, up: float) -> torch.Tensor:
    """Return an image [h, w] whose transform is rounded in blocks."""
    blocks = rearrange(image, "(y i) (x j) -> y x i j", i=BLOCK, j=BLOCK)
    transform = einsum(basis, blocks, basis, "u i, y x i j, v j -> y x u v")
    levels = (transform.abs() / step + up).floor() * transform.sign()
    blocks = einsum(basis, levels * step, basis, "u i, y x u v, v j -> y x i j")
    return rearrange(blocks, "y x i j -> (y i) (x j)")


def _cosines() -> torch.Tensor:
    """Return the orthonormal cosine transform [8, 8] of a block's side."""
    place, wave = torch.arange(BLOCK) + 0.5, torch.arange(BLOCK)[:, None]
    basis = (math.pi * wave * place / BLOCK).cos() * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis
