"""Collect what frames alone show of several instants in one record, and what it says of noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional

from burst.ops.rolling.synthesis import InstantImage
from burst.ops.shutter import row_gain
from burst.records import NoiseModel, Shutter, Stack, Views

SURE = 0.5  # trust of both frames in a point by which noise is judged
GREYS = 0.02, 0.98  # of white, between which nothing is clipped
CELL, FULL = 32, 0.8  # px; share of a cell in which both frames are sure of the point
# Quartiles of |x| in cells (.3186 of a normal distribution), and the quartile of these: what is
# displaced adds to the others. On 14 simulated images it is 1.1 times the noise, the whole 1.25.
QUARTER, QUARTILE = 0.25, 0.3186
WARPED = 0.73  # power of noise that a bicubic warp leaves, a mean over displacements
LEAST_NOISE = 0.25  # of what was measured; frames behind a codec repeat one another exactly


def views_of(instants: Sequence[InstantImage], stack: Stack) -> Views:
    """Return what each frame of a stack alone shows of instants. At the ends of a recording fewer
    frames show an instant; the missing ones have zero trust. Of a rolling shutter the first image
    is at each pixel that of the frame which saw it closest in time."""
    sensor, scan = stack.sensor, stack.scan
    paired = sensor.shutter is Shutter.DUAL_REVERSED
    if sensor.shutter is Shutter.ROLLING:
        instants = [_closest_first(one) for one in instants]
    unit = sensor.row_time * stack.height if paired else sensor.frame_time
    gain = row_gain(sensor, stack.height, scan[:1])[0]
    return Views(
        _joined([one.images for one in instants]),
        _joined([one.later for one in instants]),
        _joined([one.trust for one in instants]),
        torch.stack([one.velocity for one in instants]).half(),
        gain * (sensor.exposure_time / unit if unit else 0.0),
        gain,
    )


def noise_between(views: Views, noise: NoiseModel) -> NoiseModel:
    """Return a noise model, made smaller where two frames differ by less than it says. A frame
    alone does not tell fine texture from noise; two that show the same point do."""
    if views.images.shape[1] < 2 or min(views.images.shape[-2:]) < CELL:
        return noise
    middle, gain = len(views.images) // 2, views.gain[:, None]
    one, other = views.images[middle, :2].float()
    recorded = (one + other) / 2 * gain
    seen = (views.trust[middle, :2] > SURE).all(0) & (recorded > GREYS[0]) & (recorded < GREYS[1])
    std = noise.variance(recorded).clamp(min=1e-12).sqrt() * math.sqrt(2 * WARPED)
    apart = torch.where(seen, (one - other).abs() * gain / std, torch.nan)
    cells = apart.unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(3).flatten(0, 2)
    cells = cells[cells.isfinite().float().mean(1) > FULL]
    if not len(cells):
        return noise
    share = float(cells.nanquantile(QUARTER, dim=1).quantile(QUARTER)) / QUARTILE
    smaller = min(1.0, max(LEAST_NOISE, share)) ** 2
    return replace(noise, shot=noise.shot * smaller, read=noise.read * smaller)


def _closest_first(one: InstantImage) -> InstantImage:
    order = one.later.abs().argsort(dim=0, stable=True)
    return replace(
        one,
        images=one.images.gather(0, order[:, None].expand_as(one.images)),
        later=one.later.gather(0, order),
        trust=one.trust.gather(0, order),
    )


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors [k, ...] to [t, k, ...] of the largest k, padded with zeros."""
    most = max(len(part) for part in parts)
    padding = [(0, 0) * (part.ndim - 1) + (0, most - len(part)) for part in parts]
    padded = [functional.pad(p, more) for p, more in zip(parts, padding, strict=True)]
    return torch.stack(padded).half()
