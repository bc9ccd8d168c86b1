"""Average aligned frames without outliers: moving things, flashes, dead pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from burst.ops.alignment.aligned import Aligned, align_all, mean_and_spread
from burst.ops.alignment.registration import pixel_weight
from burst.ops.samples import sample
from burst.records import NoiseModel


@dataclass(frozen=True)
class Merged:
    """The mean of aligned frames.

    image     [h, w]
    variance  of its noise
    rejected  share of values that were left out as outliers
    excess    variance of the frames about their mean in units of their noise, 1 or more
    share     [h, w] of the frames' weight that counts at each place
    """

    image: torch.Tensor
    variance: float
    rejected: float
    excess: float
    share: torch.Tensor


def robust_mean(
    frames: torch.Tensor,
    displacement: torch.Tensor,
    weights: torch.Tensor,
    noise: NoiseModel,
    rejection: float,
    valid: torch.Tensor | None = None,
    moved: bool = False,
) -> Merged:
    """Return the weighted mean of frames [n, h, w] resampled by displacement [n, 2, h, w].

    A value further than `rejection` standard deviations from the mean is left out. A pixel's
    deviation is that of the noise or that measured around it, whichever is larger. The noise of the
    mean follows from the same deviations, so it includes compression and misalignment. With `valid`
    [n, h, w] only valid values count, and no samples from far outside a frame; where the camera
    `moved`, those from outside count little.
    """
    aligned, weights = _aligned(frames, displacement, weights, valid, moved)
    mean, spread, shown = mean_and_spread(aligned, weights)
    weight, excess = pixel_weight(spread, shown, aligned.count, mean, noise)
    limit = rejection * weight.rsqrt()
    total, light, left_out = torch.zeros_like(mean), torch.zeros_like(mean), 0.0
    for chosen, chunk, counts in aligned:
        part = weights[chosen, None, None]
        belongs = (chunk - mean).abs() <= limit
        if counts is None:
            left_out += float((~belongs).sum())
        else:
            left_out += float((counts * ~belongs).sum())
            part = part * counts
        total += (part * belongs * chunk).sum(0)
        light += (part * belongs).sum(0)
    merged = torch.where(light > 0, total / light.clamp(min=1e-12), mean)
    samples = aligned.count * mean.numel()
    seen = float(samples if shown is None else shown.sum())
    variance = float((1 / weight).median()) / effective_frames(weights)
    if shown is not None:
        variance *= samples / max(seen, 1.0)
    share = light / weights.sum()
    return Merged(merged, variance, left_out / max(seen, 1.0), max(excess, 1.0), share)


def _aligned(
    frames: torch.Tensor,
    displacement: torch.Tensor,
    weights: torch.Tensor,
    valid: torch.Tensor | None,
    moved: bool,
) -> tuple[Aligned, torch.Tensor]:
    """Return the frames with a weight, aligned, and their weights [m]."""
    used = weights > 0
    if not bool(used.all()):
        frames, displacement, weights = frames[used], displacement[used], weights[used]
        valid = None if valid is None else valid[used]

    def sampled(chunk: slice) -> tuple[torch.Tensor, torch.Tensor | None]:
        measured = None if valid is None else valid[chunk]
        return sample(frames[chunk], displacement[chunk], measured, moved)

    return align_all(frames, sampled, stored=True), weights


def effective_frames(weights: torch.Tensor) -> float:
    """Return how many equally weighted frames average noise as well as weights [n] do."""
    return float(weights.sum() ** 2 / weights.square().sum())
