"""Find which part of a whole image another one shows."""

from __future__ import annotations

import torch

from burst.ops.alignment.mosaic import make_mosaic, make_small_frames, poses_of, refine
from burst.ops.alignment.placement import MIN_SIGNIFICANCE, ROUNDS
from burst.ops.alignment.search import search

SMALLEST_PART = 24  # px; smaller images match in many places


def locate(image: torch.Tensor, whole: torch.Tensor) -> tuple[int, int] | None:
    """Return the pixel (x, y) of `whole` [H, W] at the upper left corner of `image` [h, w], which
    shows a part of it; None where it is not found."""
    if min(image.shape) < SMALLEST_PART:
        return None
    part, rest = make_small_frames(image[None], None), make_small_frames(whole[None], None)
    if part.factor != rest.factor:
        part = make_small_frames(image[None], None, rest.factor)
    still = torch.ones(1, dtype=torch.complex64, device=image.device)
    mosaic = make_mosaic(rest, poses_of(still, torch.zeros_like(still)))
    pose, chance = search(part, mosaic, (1.0 + 0j,))
    pose = refine(part, pose, mosaic, ROUNDS)
    if float(pose.significance()) < MIN_SIGNIFICANCE * float(chance):
        return None
    height, width = image.shape
    middle = -complex(pose.t[0] / pose.z[0]) * rest.factor
    left = round((whole.shape[1] - width) / 2 + middle.real)
    top = round((whole.shape[0] - height) / 2 + middle.imag)
    inside = 0 <= left <= whole.shape[1] - width and 0 <= top <= whole.shape[0] - height
    return (left, top) if inside else None
