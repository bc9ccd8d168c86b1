"""Collect what frames alone show of several instants in one record."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from burst.ops.rolling.synthesis import InstantImage
from burst.ops.shutter import row_gain
from burst.records import Shutter, Stack, Views


def views_of(instants: Sequence[InstantImage], stack: Stack) -> Views:
    """Return what each frame of a stack alone shows of instants. At the ends of a recording fewer
    frames show an instant; the missing ones have zero trust."""
    sensor, scan = stack.sensor, stack.scan
    paired = sensor.shutter is Shutter.DUAL_REVERSED
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


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors [k, ...] to [t, k, ...] of the largest k, padded with zeros."""
    most = max(len(part) for part in parts)
    padding = [(0, 0) * (part.ndim - 1) + (0, most - len(part)) for part in parts]
    padded = [functional.pad(p, more) for p, more in zip(parts, padding, strict=True)]
    return torch.stack(padded).half()
