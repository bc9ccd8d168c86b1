"""How the image of a planet is scored against the truth: on the disc, and along its limb.

One shift and one gain are fitted by least squares within the disc; the sky is black.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from burst.measure.scores import shifted_onto
from burst.ops.color import linear_to_display
from burst.ops.metrics import psnr
from burst.ops.sphere import Globe
from burst.ops.warp import pixel_grid

BEYOND = 2.0  # px beyond the limb that count as the disc
FITTED = 0.85  # of the radius, within which the gain is fitted; the limb may ring
SKY = 12.0  # px beyond the limb, from which on the sky is black
RING = 0.6  # of the radius, from which on rings along the limb are averaged


@dataclass(frozen=True)
class DiscScores:
    """PSNR (dB) on the disc, encoded for display; by how much rings inside the limb are brighter
    than the truth at most, in percent of the disc's brightness."""

    psnr: float
    overshoot: float


def score_disc(image: torch.Tensor, truth: torch.Tensor, globe: Globe) -> DiscScores:
    """Score an image [h, w] of a globe against the truth [h, w], both linear; the globe is in the
    middle of the truth, and the image may be larger or smaller by a few pixels."""
    height, width = (min(a, b) for a, b in zip(image.shape, truth.shape, strict=True))
    image, truth = (_middle(each.double().cpu(), height, width) for each in (image, truth))
    moved = shifted_onto(image.float(), truth.float()).double()
    x, y = pixel_grid(truth)
    x, y = globe.stretched(x - (width - 1) / 2, y - (height - 1) / 2, 1 / (1 - globe.flattening))
    far = (x * x + y * y).sqrt()
    inner, disc = far < FITTED * globe.radius, far < globe.radius + BEYOND
    sky = moved[(far > globe.radius + SKY) & (far < 1.5 * globe.radius + SKY)].mean()
    moved = moved - sky
    fitted = moved * (moved[inner] * truth[inner]).sum() / moved[inner].square().sum()
    shown, wanted = (linear_to_display(each[disc].float()) for each in (fitted, truth))
    light = float(truth[inner].mean())
    rings = _rings(fitted - truth, far)
    first, limb = round(RING * globe.radius), round(globe.radius)
    return DiscScores(
        psnr=psnr(shown, wanted), overshoot=100 * float(rings[first:limb].max()) / light
    )


def _rings(values: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
    """Return the mean of values [h, w] in rings one pixel wide by their distance [h, w]."""
    ring = far.round().long().flatten()
    total = torch.zeros(int(ring.max()) + 1, dtype=values.dtype)
    return total.index_add(0, ring, values.flatten()) / torch.bincount(ring).clamp(min=1)


def _middle(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
