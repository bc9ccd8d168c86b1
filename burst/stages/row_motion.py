"""Estimate how the camera moved while each row was read, and tell it from the air's motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from burst.records import Burst

NEEDS = ("linear", "noise", "flow")
GIVES = ("flow", "row_motion")


@dataclass(frozen=True)
class Config:
    """How smooth the motion is over the readout, and how often the rows are looked at again."""

    sigma: Annotated[float, Field(gt=0)] = 2.0  # rows
    rounds: Annotated[int, Field(ge=0)] = 1


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with row motion, and the flow without it: composed they warp the frames."""
    import torch

    from burst.ops.registration import aligned_mean
    from burst.ops.rows import row_residual, separate
    from burst.ops.strength import common_variance, measure_strength
    from burst.ops.warp import compose

    linear, noise, flow = burst.linear, burst.noise, burst.flow
    assert linear is not None
    assert noise is not None
    assert flow is not None
    refined = 0.0
    for _ in range(config.rounds):
        residual = row_residual(linear, noise, flow, config.sigma)
        flow = compose(flow, residual)
        refined = float(residual.square().mean().sqrt())
    reference = aligned_mean(linear, flow, torch.ones_like(linear[:, 0, 0]))
    strength = measure_strength(flow, reference, sampling=1.0)
    # Variance in pixels does not depend on the sampling that the strength was read with.
    air = common_variance(strength, (linear.shape[1], linear.shape[2]), sampling=1.0)
    row_motion = separate(flow, air)
    within = row_motion - row_motion.mean(1, keepdim=True)
    report = burst.report.note(
        rms=float(row_motion.square().mean().sqrt()),
        rms_within_frames=float(within.square().mean().sqrt()),
        refined=refined,
    )
    return replace(burst, flow=compose(flow, -row_motion), row_motion=row_motion, report=report)
