"""Tell how the camera moved while each row was read from how the air moved the rows.

Dense registration has already found the sum of the two, which is all that resampling needs. Apart
they say how strong the air is and how far the camera moved during an exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from burst.config import checked
from burst.records import given

if TYPE_CHECKING:
    from burst.records import Burst

NEEDS = ("flow", "merged")
GIVES = ("flow", "row_motion")


@checked
@dataclass(frozen=True)
class Config:
    """There is nothing to set."""


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with row motion, and the flow without it: composed they warp the frames."""
    from burst.ops.alignment.rows import separate
    from burst.ops.alignment.turns import air_displacement
    from burst.ops.blur.strength import common_variance, measure_strength
    from burst.ops.warp import compose

    flow, merged = given(burst.flow), given(burst.merged)
    air = air_displacement(flow, burst.motion)
    strength = measure_strength(flow, merged, 1.0, burst.motion)
    # Variance in pixels does not depend on the sampling that the strength was read with.
    size = (merged.shape[0], merged.shape[1])
    row_motion = separate(air, common_variance(strength, size, sampling=1.0))
    within = row_motion - row_motion.mean(1, keepdim=True)
    report = burst.report.note(
        rms=float(row_motion.square().mean().sqrt()),
        rms_within_frames=float(within.square().mean().sqrt()),
    )
    return replace(burst, flow=compose(flow, -row_motion), row_motion=row_motion, report=report)
