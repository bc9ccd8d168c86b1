"""Average aligned frames without outliers: moving things, flashes, dead pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from burst.ops.alignment.registration import pixel_weight
from burst.ops.chunks import frames_at_once
from burst.ops.samples import mean_of_samples, sample
from burst.records import NoiseModel


@dataclass(frozen=True)
class Merged:
    """The mean of aligned frames.

    image     [h, w]
    variance  of its noise
    rejected  share of values that were left out as outliers
    excess    variance of the frames about their mean in units of their noise, 1 or more
    """

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
    valid: torch.Tensor | None = None,
) -> Merged:
    """Return the weighted mean of frames [n, h, w] resampled by displacement [n, 2, h, w].

    A value further than `rejection` standard deviations from the mean is left out. A pixel's
    deviation is that of the noise or that measured around it, whichever is larger. The noise of the
    mean follows from the same deviations, so it includes compression and misalignment. With `valid`
    [n, h, w] only valid values count, and no samples from far outside a frame.
    """
    used = weights > 0
    aligned, counts = _aligned(frames, displacement, valid, used)
    share = weights[used, None, None]
    mean = mean_of_samples(aligned, counts, weights[used])
    weight, excess = pixel_weight(aligned, mean, noise, counts)
    limit = rejection * weight.rsqrt()
    total, light, left_out = torch.zeros_like(mean), torch.zeros_like(mean), 0.0
    step = frames_at_once(frames)
    for first in range(0, len(aligned), step):
        chosen = slice(first, first + step)
        chunk, part = aligned[chosen], share[chosen]
        belongs = (chunk - mean).abs() <= limit
        if counts is None:
            left_out += float((~belongs).sum())
        else:
            left_out += float((counts[chosen] * ~belongs).sum())
            part = part * counts[chosen]
        total += (part * belongs * chunk).sum(0)
        light += (part * belongs).sum(0)
    merged = torch.where(light > 0, total / light.clamp(min=1e-12), mean)
    seen = float(aligned.numel() if counts is None else counts.sum())
    variance = float((1 / weight).median()) / effective_frames(weights)
    if counts is not None:
        variance *= counts.numel() / max(seen, 1.0)
    return Merged(merged, variance, left_out / max(seen, 1.0), max(excess, 1.0))


def _aligned(
    frames: torch.Tensor,
    displacement: torch.Tensor,
    valid: torch.Tensor | None,
    used: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the used frames, aligned, and which samples count [n, h, w]; None where all do."""
    values, counts = [], []
    for chosen in used.nonzero()[:, 0].split(frames_at_once(frames)):
        measured = None if valid is None else valid[chosen]
        value, count = sample(frames[chosen], displacement[chosen], measured)
        values.append(value)
        counts.append(count)
    whole = [count for count in counts if count is not None]
    return torch.cat(values), torch.cat(whole) if whole else None


def effective_frames(weights: torch.Tensor) -> float:
    """Return how many equally weighted frames average noise as well as weights [n] do."""
    return float(weights.sum() ** 2 / weights.square().sum())
