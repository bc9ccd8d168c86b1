"""How far the air displaced a scene, by which a network is chosen: drift and shaking apart.

In training a camera shook by up to 2 px, which was part of the displacement; networks saw nothing
of drifts and large motion.
"""

from __future__ import annotations

import math

import torch

from burst.ops.alignment.trend import trend
from burst.ops.alignment.turns import air_of

# The variance of whole frames over that within frames, where the shorter side is 128 px, and by
# which power of the side it falls: simulated air and vibration of all levels, 128 to 384 px.
COMMON, FALL = 3.1, 0.8
# So many times that, or so many px^2, may be air and the small shaking of training.
MOST, SHAKE = 2.5, 1.0
DRIFT = 0.5  # of the variance of whole frames, beyond which a trend is a drift; air reaches .33
LEAST = 0.25  # of what is usual; where less is left, the camera's motion has taken it


def displacement_of(flow: torch.Tensor, motion: torch.Tensor | None) -> float:
    """Return the rms displacement (px per axis) that the air caused, of a flow [n, 2, h, w].

    Whole frames count as they are, as long as they move like those that networks were trained on.
    """
    air = air_of(flow, motion)
    middle = air.mean((2, 3))
    common = float(middle.square().mean())
    within = float((air - middle[:, :, None, None]).square().mean())
    usual = COMMON * (128 / min(flow.shape[-2:])) ** FALL * within
    times = torch.arange(len(middle), device=middle.device)
    drift = float(trend(middle, times, times).square().mean())
    drifts = drift > DRIFT * common
    taken = motion is not None and common < LEAST * usual
    if drifts:
        common -= drift
    if common > max(MOST * usual, SHAKE) or taken:
        common = usual
    elif motion is None and not drifts:
        return float(flow.square().mean().sqrt())
    return math.sqrt(within + common)
