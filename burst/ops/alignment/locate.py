"""Find which part of a whole image another one shows."""

from __future__ import annotations

import torch

from burst.ops.alignment.mosaic import make_mosaic, make_small, poses_of, refine
from burst.ops.alignment.search import search
from burst.ops.alignment.similarity import CLEAR, ROUNDS

SMALLEST_PART = 24  # px; less of an image is found anywhere


def locate(image: torch.Tensor, whole: torch.Tensor) -> tuple[int, int] | None:
    """Return the pixel (x, y) of a whole [H, W] at which an image [h, w] of a part of it begins;
    None where it is not found."""
    if min(image.shape) < SMALLEST_PART:
        return None
    part, rest = make_small(image[None], None), make_small(whole[None], None)
    if part.factor != rest.factor:
        part = make_small(image[None], None, rest.factor)
    still = torch.ones(1, dtype=torch.complex64, device=image.device)
    mosaic = make_mosaic(rest, poses_of(still, torch.zeros_like(still)))
    pose, chance = search(part, mosaic, (1.0 + 0j,))
    pose = refine(part, pose, mosaic, ROUNDS)
    if float(pose.clearness()) < CLEAR * float(chance):
        return None
    height, width = image.shape
    middle = -complex(pose.t[0] / pose.z[0]) * rest.factor
    left = round((whole.shape[1] - width) / 2 + middle.real)
    top = round((whole.shape[0] - height) / 2 + middle.imag)
    inside = 0 <= left <= whole.shape[1] - width and 0 <= top <= whole.shape[0] - height
    return (left, top) if inside else None
