"""How many frames are processed at once: few on a CPU, many on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from burst.ops.blocks import BlockTensor, mapped
from burst.ops.reductions import joined

ON_CPU = 10  # frames, so that temporary arrays stay small and in the cache
# Of temporary arrays for each pixel of the frames that are processed at once: frame, displacement,
# coordinates, samples, products.
BYTES_PER_PIXEL_AT_ONCE = 80
BYTES_PER_PIXEL_OF_IMAGES = 80
PIXELS_ON_GPU = 1 << 25  # every call costs time on a GPU, so each gets as much as memory allows


def frames_at_once(frames: torch.Tensor) -> int:
    """Return how many of frames [n, h, w] a temporary array may hold."""
    if isinstance(frames, BlockTensor):
        return frames.step
    if frames.device.type == "cpu":
        return ON_CPU
    return max(1, PIXELS_ON_GPU // max(1, frames.shape[-2] * frames.shape[-1]))


def frames_in(memory: int, size: tuple[int, int], device: str) -> int:
    """Return how many frames of a size (h, w) are processed at once within `memory` bytes, beside
    the images that are made of all of them."""
    pixels = size[0] * size[1]
    memory -= pixels * BYTES_PER_PIXEL_OF_IMAGES
    usual = ON_CPU if device == "cpu" else max(1, PIXELS_ON_GPU // pixels)
    return min(max(1, memory // (pixels * BYTES_PER_PIXEL_AT_ONCE)), usual)


def in_chunks(
    function: Callable[..., torch.Tensor], frames: torch.Tensor, *others: torch.Tensor
) -> torch.Tensor:
    """Return what a function makes of frames [n, ...] and others [n, ...], few at a time; of frames
    that are read block by block it is made when it is asked for."""
    if any(isinstance(each, BlockTensor) for each in (frames, *others)):
        return mapped(function, frames, *others)
    step = frames_at_once(frames)
    pieces = zip(*(each.split(step) for each in (frames, *others)), strict=True)
    return joined((function(*piece) for piece in pieces), len(frames))
