"""Turn all frames of a rotating planet to the middle of the recording.

Alignment then finds what the air alone does; `deconvolve` merges the frames as they were recorded,
through both displacements together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from burst.ops.alignment import rotation
from burst.records import Burst, Rotation, StackError, given
from burst.settings import checked, setting

NEEDS = ("linear",)
GIVES = ("linear",)
MAY_GIVE = ("rotation",)  # where a period is set
BLOCKS = True  # takes frames that are read block by block


@checked
@dataclass(frozen=True)
class Config:
    """How the planet turns, and how it is seen."""

    period: Annotated[
        float, setting("of rotation, negative where the disc's middle moves left; 0: none", "hours")
    ] = 0.0
    tilt: Annotated[float, setting("of the pole, to the right of up", "degrees")] = 0.0
    latitude: Annotated[
        float, setting("of the disc's middle: the pole leans to us", "degrees", ge=-90, le=90)
    ] = 0.0
    flattening: Annotated[float, setting("1 - polar / equatorial radius", ge=0, lt=0.5)] = 0.065
    radius: Annotated[
        float, setting("of the equator; 0: as large as the disc that was followed", "px", ge=0)
    ] = 0.0


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with its frames as the planet looks at the middle of the recording."""
    if not config.period:
        return replace(burst, report=burst.report.note(turn=0.0))
    stack, linear, track = burst.stack, given(burst.linear), burst.track
    where = stack.source or stack.name
    if track is None or track.centre is None or track.radius is None:
        raise StackError(
            f"{where}: expected a disc that is followed, as rotate.period is set, found none. Put"
            " track before rotate, or leave rotate.period out."
        )
    sensor = stack.sensor
    if sensor.frame_times is None and not sensor.frame_time:
        raise StackError(
            f"{where}: expected the times of the frames, as rotate.period is set, found none."
            " Record SER with time stamps, or say frame_time in a sidecar."
        )
    times = sensor.frame_times or [sensor.frame_time * number for number in range(stack.count)]
    middle = (times[0] + times[-1]) / 2
    turn = 2 * math.pi / (3600 * config.period)
    angle = linear.new_tensor([turn * (times[number] - middle) for number in burst.numbers])
    centre = linear.new_tensor([track.centre[number] for number in burst.numbers])
    # The disc is as large as an ellipse of this flattening.
    radius = config.radius or track.radius / math.sqrt(1 - config.flattening)
    tilt, latitude = math.radians(config.tilt), math.radians(config.latitude)
    turned = Rotation(linear, angle, centre, (radius, config.flattening, tilt, latitude))
    shown = rotation.turn_to_one_time(turned)
    moved = radius * float(angle.max() - angle.min())
    report = burst.report.note(turn=math.degrees(float(angle.max() - angle.min())), moved=moved)
    return replace(burst, linear=shown, rotation=turned, report=report)
