"""Average aligned frames, leaving out what does not belong: moving things, flashes, dead pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from burst.ops.chunks import frames_at_once
from burst.ops.registration import pixel_weight
from burst.ops.warp import warp
from burst.records import NoiseModel


@dataclass(frozen=True)
class Merged:
    """The mean [h, w] of aligned frames, the variance of its noise, the share of values left out,
    and how many times more the frames scatter than their noise explains (1 or more)."""

    image: torch.Tensor
    variance: float
    rejected: float
    excess: float


def robust_mean(
    frames: torch.Tensor,
    displacement: torch.Tensor,
    weights: torch.Tensor,
    noise: NoiseModel,
    rejection: float,
) -> Merged:
    """Return the weighted mean of frames [n, h, w] resampled by displacement [n, 2, h, w].

    A value further than `rejection` deviations from the mean is left out; a pixel's deviation is
    that of noise or of what its surroundings show, whichever is larger. The mean's own noise
    follows from the same deviations: compression and misalignment count, not the sensor alone.
    """
    used = weights > 0
    step = frames_at_once(frames)
    pieces = zip(frames[used].split(step), displacement[used].split(step), strict=True)
    aligned = torch.cat([warp(f, d) for f, d in pieces])
    share = weights[used, None, None]
    mean = (share * aligned).sum(0) / share.sum()
    weight, excess = pixel_weight(aligned, mean, noise)
    limit = rejection * weight.rsqrt()
    total, light, left_out = torch.zeros_like(mean), torch.zeros_like(mean), 0.0
    for chunk, part in zip(aligned.split(step), share.split(step), strict=True):
        belongs = (chunk - mean).abs() <= limit
        left_out += float((~belongs).sum())
        total += (part * belongs * chunk).sum(0)
        light += (part * belongs).sum(0)
    merged = torch.where(light > 0, total / light.clamp(min=1e-12), mean)
    variance = float((1 / weight).median()) / effective_frames(weights)
    return Merged(merged, variance, left_out / aligned.numel(), max(excess, 1.0))


def effective_frames(weights: torch.Tensor) -> float:
    """Return how many equally weighted frames average noise as well as weights [n] do."""
    return float(weights.sum() ** 2 / weights.square().sum())
