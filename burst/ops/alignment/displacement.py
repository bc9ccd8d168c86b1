"""The rms displacement by the air, by which a network is chosen, without drifts and large shaking.

In training a camera shook by up to 2 px, which counted as displacement; networks saw no drifts and
no larger motion.
"""

from __future__ import annotations

import math

import torch

from burst.ops.alignment.trend import trend
from burst.ops.alignment.turns import air_displacement

# The variance of the shifts of whole frames is COMMON times that within frames, where the shorter
# side is 128 px, and falls with the side to the power FALL. Fitted to simulated air and vibration
# of all levels, 128 to 384 px.
COMMON, FALL = 3.1, 0.8
# Up to MOST times that variance, or SHAKE px^2, counts as air and the small shaking of training.
MOST, SHAKE = 2.5, 1.0
DRIFT = 0.5  # share of the variance of shifts above which a trend is a drift; air reaches .33
LEAST = 0.25  # of the usual variance; with less, the rest was attributed to the camera's motion


def air_displacement_rms(flow: torch.Tensor, motion: torch.Tensor | None) -> float:
    """Return the rms displacement (px per axis) by the air, of a flow [n, 2, h, w].

    Shifts of whole frames are included as long as they are as small as in training; otherwise they
    are replaced by their usual variance.
    """
    air = air_displacement(flow, motion)
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
