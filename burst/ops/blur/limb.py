"""Rings along the limb of a planet, before a black sky: they tell when too much blur is undone.

Too wide a PSF rings on both sides of an edge. Of the inner side nobody knows how bright it should
be; the sky has no light, so that a dark ring in it shows how far the bright one inside goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from burst.ops.blur.psf import soften

EDGE = 0.25  # of the brightness, where the disc ends; limbs are dark
BRIGHTEST = 0.95  # quantile of what is brighter than the sky: stands for the brightness
NEAR, FAR = range(2, 11), (12, 40)  # px beyond the edge: where rings are, and where the sky is
LEAST_SKY = 0.1  # share of the image
# Depth of a ring in the sky, as a share of the disc's light. On simulated planets through both
# kinds of air the PSF of the largest PSNR leaves .003 to .01; from .02 on rings inside exceed 3 %.
DEEPEST = 0.0075
POWERS = 0.25, 1.5  # of the transfer function, between which the right one is searched
HALVINGS = 5


@dataclass(frozen=True)
class Sky:
    """The sky around a disc: distance [h, w] px from its edge, 0 on the disc, and its light."""

    distance: torch.Tensor
    light: float

    def ring_depth(self, image: torch.Tensor) -> float:
        """Return how dark the darkest ring around the disc is in an image [h, w], as a share of
        the disc's light."""
        far = (self.distance >= FAR[0]) & (self.distance < FAR[1])
        sky = float(image[far].mean())
        rings = [float(image[self.distance.round() == at].mean()) for at in NEAR]
        return (sky - min(rings)) / self.light


def find_sky(merged: torch.Tensor) -> Sky | None:
    """Return the sky of an image [h, w]; None where there is hardly any."""
    values = merged.float().cpu().numpy()
    calm = cv2.GaussianBlur(values, (0, 0), 1.0)
    black = float(np.quantile(calm, LEAST_SKY / 2))
    light = float(np.quantile(calm, BRIGHTEST)) - black
    disc = calm > black + EDGE * light
    distance = cv2.distanceTransform((~disc).astype(np.uint8), cv2.DIST_L2, 5)
    if light <= 0 or (distance >= FAR[0]).mean() < LEAST_SKY or not disc.any():
        return None
    return Sky(torch.from_numpy(distance).to(merged.device), float(values[disc].mean()) - black)


def largest_power(
    psf: torch.Tensor, sky: Sky, deconvolve: Callable[[torch.Tensor], torch.Tensor], share: float
) -> float:
    """Return the largest power of the transfer function of psf [k, k] with which `deconvolve` makes
    no ring in the sky. A PSF that other witnesses than the motion had a `share` in is as wide as
    they believe, and is made that much less wider."""
    low, high = POWERS[0], POWERS[1] ** (1.0 - share)
    for _ in range(HALVINGS):
        power = (low * high) ** 0.5
        if sky.ring_depth(deconvolve(soften(psf, power))) <= DEEPEST:
            low = power
        else:
            high = power
    return low
