"""Refine how frames lie on the reference, by what was gathered of all of them.

Squares of 2 x 2 sites, on which frames are aligned first, are aliased, and the reference is noisy.
The gathered image is neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from burst.ops.alignment.camera import SAMPLES, affine_step, is_settled, places_back
from burst.ops.alignment.motion import chain
from burst.ops.alignment.registration import gradient
from burst.ops.gathering.gather import Samples
from burst.ops.gathering.sites import GREEN, Sites
from burst.ops.warp import sample, within
from burst.records import CameraFlow

ROUNDS = 5


def refine(
    flow: CameraFlow,
    samples: Callable[[int], Samples],
    planes: Sequence[Sites],
    image: torch.Tensor,
    scale: float,
) -> CameraFlow:
    """Return the flow with the motion of whole frames refined by their `samples` against an image
    [H, W] of green, or of what there is, `scale` times as fine."""
    motion = flow.motion.clone()
    gradients = [image, *(g * scale for g in gradient(image))]
    chosen = [i for i, plane in enumerate(planes) if plane.channel == GREEN] or [0]
    for k in range(len(motion)):
        if k == flow.reference:
            continue
        i = chosen[k % len(chosen)]
        own = samples(k)[i]
        for _ in range(ROUNDS):
            now = replace(flow, motion=motion)
            step = _step(now, k, own, planes[i], gradients, scale)
            motion[k] = chain(step, motion[k : k + 1])[0]
            if is_settled(step, (image.shape[0], image.shape[1])):
                break
    return replace(flow, motion=motion)


def _step(
    flow: CameraFlow,
    number: int,
    samples: torch.Tensor,
    plane: Sites,
    images: Sequence[torch.Tensor],
    scale: float,
) -> torch.Tensor:
    """Return the motion [1, 2, 3] by which samples [h, w] of a plane of a frame agree better with
    the first of `images` [H, W], whose gradients the others are."""
    size = (samples.shape[0] * plane.step, samples.shape[1] * plane.step)
    every = max(1, round(math.sqrt(samples.numel() / SAMPLES)))
    samples = samples[::every, ::every]
    y, x = (
        torch.arange(count).to(samples) * plane.step * every + start
        for count, start in zip(samples.shape, (plane.y, plane.x), strict=True)
    )
    there = places_back(flow, number, x, y)
    expected, gx, gy = sample(torch.stack(list(images)), (there + 0.5) * scale - 0.5)
    inside = within(there[0], there[1], size, 2.0)
    # Where the frame is brighter the step has to lead uphill on the frame, downhill on the image.
    return affine_step(expected - samples, (gx, gy, expected), there, inside, size)
