"""Turn time stamps of a file into times of frames, in seconds from the first one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from burst.log import LOG
from burst.records import Sensor

# Stamps of whole seconds err by up to one second, a tenth of a step of ten seconds.
_FINE_STEPS = 10


def typical_step(times: Sequence[float]) -> float:
    """Return the median time between neighbours, of at least two times."""
    return statistics.median(later - earlier for earlier, later in pairwise(times))


def _are_coarse(stamps: Sequence[float]) -> bool:
    """Return whether stamps of whole seconds are too coarse for the time between frames."""
    whole = all(stamp == round(stamp) for stamp in stamps)
    return whole and typical_step(stamps) < _FINE_STEPS


def with_times(where: object, sensor: Sensor, found: Sequence[float | None] | None) -> Sensor:
    """Return a sensor with the times of the frames; unchanged if the stamps cannot be right.
    What was `found` are seconds from any origin, None where there are none. Stamps that do not
    increase from frame to frame are ignored, with a message."""
    stamps = [stamp for stamp in found or () if stamp is not None]
    if len(stamps) < 2 or len(stamps) < len(found or ()):
        return sensor
    if not all(later > earlier for earlier, later in pairwise(stamps)):
        if len(set(stamps)) > 1:
            LOG.info("%s: its time stamps do not rise with the frames; they are not used.", where)
        return sensor
    times = tuple(stamp - stamps[0] for stamp in stamps)
    if _are_coarse(stamps):
        return replace(sensor, frame_time=times[-1] / (len(times) - 1))
    return replace(sensor, frame_time=typical_step(times), frame_times=times)
