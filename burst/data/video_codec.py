"""What lossy codecs leave of frames in 8 bit: JPEG, and a model of a video codec.

The model does what all video codecs since H.261 do: a frame is told from the one before, and the
transform of what is left is rounded, block by block. So what hardly changes does not change at all,
and noise, fine detail and small motion are held back from frame to frame. It searches no motion
and smoothes no blocks; it runs on a GPU and repeats to the bit, which encoders of programs do not.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from einops import einsum, rearrange
from torch.nn import functional

BLOCK = 8
GROUP = 12  # frames from one that is coded by itself to the next
# Rounding of H.264's reference encoder: up from 2/3 of a step in whole frames, from 5/6 in others.
WHOLE, DIFFERENCE = 1 / 3, 1 / 6


def as_jpeg(frames: np.ndarray, quality: int) -> np.ndarray:
    """Return frames [n, h, w] uint8 as they come back from JPEG files."""
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    files = [cv2.imencode(".jpg", frame, flags)[1] for frame in frames]
    return np.stack([np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)) for file in files])


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
