"""Turns and scales of frames: whether the air explains them, and displacements without them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from burst.ops.alignment.motion import without_motion
from burst.ops.alignment.trend import trend
from burst.ops.blocks import mapped, whole
from burst.ops.warp import pixel_grid

# Variances of turn and scale in units of that of shear, measured in simulated air (128 to 384 px,
# all levels): tilts are slopes of a wavefront, which scale a frame more than they turn it.
TURN_OF_AIR, SCALE_OF_AIR = 0.6, 1.6
# Standard deviations above which turns or scales are not the air's alone: of 38 simulated stacks of
# 40 frames and as many of 12 none exceeds 5. A lens that breathes by 3 % reaches 10 and more.
DEVIATIONS, FEWEST = 8.0, 8  # frames; of fewer the variance is not known
UNEVEN = 0.01  # of the variance of turns; a trend leaves less, also where frames were left out


@dataclass(frozen=True)
class _Linear:
    """The linear part of displacements [n, 2, h, w]: scale, turn, stretch and skew [n], and the
    coordinates x [1, w] and y [h, 1] in pixels from the middle."""

    scale: torch.Tensor
    turn: torch.Tensor
    stretch: torch.Tensor
    skew: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor

    def added(self, air: torch.Tensor, scale: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        """Return displacements [n, 2, h, w] with a scale and a turn [n] added."""
        x, y = self.x, self.y

        def turned(air: torch.Tensor, scale: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
            scale, turn = scale[:, None, None], turn[:, None, None]
            return air + torch.stack([scale * x - turn * y, turn * x + scale * y], dim=1)

        return mapped(turned, air, scale, turn)


def air_displacement(flow: torch.Tensor, motion: torch.Tensor | None) -> torch.Tensor:
    """Return a displacement [n, 2, h, w] with the statistics of the air's, of a flow.

    Where frames turn or scale at random, the estimated motion of the camera contains the air's
    turns and scales, or lacks some of the camera's. Then turns and scales are replaced by as large
    ones as the shears imply, which the air causes and no camera does.
    """
    air = without_motion(flow, motion)
    if motion is None or turns_are_of_air(flow, motion):
        return air
    own = _linear(air)
    # Each is made of the shear with which it is uncorrelated in mean square differences.
    scale = math.sqrt(SCALE_OF_AIR) * own.skew - own.scale
    turn = math.sqrt(TURN_OF_AIR) * own.stretch - own.turn
    return own.added(air, scale, turn)


def turns_are_of_air(flow: torch.Tensor, motion: torch.Tensor | None) -> bool:
    """Return whether a flow [n, 2, h, w] without the camera's motion [n, 2, 3] turns and scales as
    air does: that motion contains nothing of the air's, and nothing of the camera's is left."""
    if turns_at_random(motion):
        return False
    if len(flow) < FEWEST:
        return True
    own = _linear(without_motion(flow, motion))
    shear = (_variance(own.stretch) + _variance(own.skew)) / 2
    most = (1 + DEVIATIONS * math.sqrt(3 / len(flow))) * shear
    turn, scale = _variance(own.turn), _variance(own.scale)
    return turn <= TURN_OF_AIR * most and scale <= SCALE_OF_AIR * most


def without_turns(air: torch.Tensor) -> torch.Tensor:
    """Return displacements [n, 2, h, w] without the turn and scale of each frame."""
    own = _linear(air)
    return own.added(air, -own.scale, -own.turn)


def turns_at_random(motion: torch.Tensor | None) -> bool:
    """Return whether a motion [n, 2, 3] turns or scales frames unevenly in time: then it contains
    the air's turns and scales."""
    if motion is None:
        return False
    turn = torch.complex(motion[:, 0, 0], motion[:, 1, 0]).log()
    turn = turn - turn.mean()
    times = torch.arange(len(turn), device=motion.device)
    rest = turn - trend(turn, times, times)
    return float(rest.abs().square().mean()) > UNEVEN * float(turn.abs().square().mean()) + 1e-10


def _linear(air: torch.Tensor) -> _Linear:
    height, width = air.shape[-2:]
    x, y = pixel_grid(air)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2

    def products(air: torch.Tensor) -> torch.Tensor:
        return torch.stack([(air * x).mean((2, 3)), (air * y).mean((2, 3))], dim=1)

    found = whole(mapped(products, air))
    along, down = found[:, 0] / x.square().mean(), found[:, 1] / y.square().mean()
    return _Linear(
        scale=(along[:, 0] + down[:, 1]) / 2,
        turn=(along[:, 1] - down[:, 0]) / 2,
        stretch=(along[:, 0] - down[:, 1]) / 2,
        skew=(along[:, 1] + down[:, 0]) / 2,
        x=x,
        y=y,
    )


def _variance(values: torch.Tensor) -> float:
    return float(values.var(correction=0))
