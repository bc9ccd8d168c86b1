"""Separate the camera's motion during the readout of each row from the air's displacement.

Dense registration has found the sum of the two, which is all that resampling needs. Separately they
give the strength of the air and the camera's motion during an exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from burst.ops import warp
from burst.ops.alignment import rows, turns
from burst.ops.blur import strength as strength_ops
from burst.records import Burst, given
from burst.settings import checked

NEEDS = ("flow", "merged")
GIVES = ("flow", "row_motion")
BLOCKS = True  # takes frames that are read block by block
SHARED = True  # what is found on all channels together holds for each


@checked
@dataclass(frozen=True)
class Config:
    """There is nothing to set."""


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with row motion, and with the flow without it; `compose` adds them again."""
    flow, merged = given(burst.flow), given(burst.merged)
    air = turns.air_displacement(flow, burst.motion)
    strength = strength_ops.measure_strength(flow, merged, 1.0, burst.motion)
    # The variance in pixels does not depend on the sampling, which is 1 on both sides.
    size = (merged.shape[0], merged.shape[1])
    row_motion = rows.separate(air, strength_ops.common_variance(strength, size, sampling=1.0))
    within = row_motion - row_motion.mean(1, keepdim=True)
    report = burst.report.note(
        rms=float(row_motion.square().mean().sqrt()),
        rms_within_frames=float(within.square().mean().sqrt()),
    )
    return replace(
        burst, flow=warp.compose(flow, -row_motion), row_motion=row_motion, report=report
    )
