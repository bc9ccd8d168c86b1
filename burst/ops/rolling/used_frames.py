"""Which frames of a rolling-shutter recording are used, and when each was taken, from their motion.

Programs that change the frame rate repeat frames; a repeated frame shows nothing of its own moment.
A frame of something else, or an empty one, would spoil the instants around it. Where a frame is
missing and there are no time stamps, everything seems to move twice as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from burst.ops.flow import Match
from burst.ops.rolling.foreign import find_foreign_frames
from burst.ops.rolling.unroll import Clock
from burst.records import Stack

# Of the difference to the frames around. Repeated frames came out below 0.03 in H.264, MPEG-4 and
# MJPEG, and those of a camera that turns back, whose rows slant the other way, above 0.3.
REPEATED = 0.05
LONGEST_REPEAT = 6  # frames; film at 12 a second that is stored at 60 has four
MIN_TRUST, MIN_TRUSTED = 0.5, 0.05  # of flow; share of the pixels
# A jump means missing frames if it is that close to a whole number of steps (shares of a step), and
# the steps before and after are that equal (the same) and that fast (px). Chosen by hand, like the
# rest; the tests hold them on simulated recordings that swing, shake, pan, and stand still.
WHOLE_STEP, STEADY, MIN_SPEED, MAX_MISSING = 0.4, 0.7, 1.5, 4
CLEAR_JUMP = 4.0  # times as large as the changes of velocity elsewhere
MIN_PAIRS = 4  # with fewer no jump is judged
MAX_SKIPPED_SHARE = 0.25  # of the pairs; with more jumps the camera shakes


@dataclass(frozen=True)
class UsedFrames:
    """Which of n frames are used.

    kept     [m] numbers of the frames that are used
    start    [n] when each frame was taken, in units of the time between two frames in a row
    unit     that time, in the unit in which the times were given
    matches  of every frame kept with the next, by their places among those kept
    left     why each other frame is not used, by number
    skipped  how many frames seem to be missing after a frame, by its number
    """

    kept: list[int]
    start: np.ndarray
    unit: float
    matches: Mapping[tuple[int, int], Match]
    left: Mapping[int, str]
    skipped: Mapping[int, int]

    def numbers(self, frame_time: float) -> dict[str, Any]:
        """Return the report's figures on frames that are not used; none where all are."""
        found: dict[str, Any] = {}
        if self.left:
            found["left_out"] = {str(k): why for k, why in self.left.items()}
            found["start"] = self.start.tolist()
        if self.unit != 1:
            found["frame_time"] = self.unit * frame_time
        return found

    def words(self) -> Iterator[str]:
        """Yield the warnings for the person."""
        for why in dict.fromkeys(self.left.values()):
            numbers = ", ".join(str(k) for k, own in self.left.items() if own == why)
            yield f"Left out, counted from 0: {numbers}; {why}."
        if self.unit != 1:
            yield (
                f"The other frames moved as if taken evenly, {self.unit:.3g} frame times of the"
                " recording apart; that is the frame time from here on. If it is not, give"
                " frame_times in a sidecar."
            )
        for frame, missing in self.skipped.items():
            yield (
                f"From frame {frame} to the next all moved {missing + 1} times as far as before and"
                f" after: {missing} may be missing between them. Give the time of each frame in a"
                " sidecar: frame_times, in seconds."
            )


def find_used_frames(
    grey: np.ndarray, start: np.ndarray, candidates: Sequence[int], times_known: bool
) -> UsedFrames:
    """Choose the frames of [n, h, w] (0..255), taken at times `start` [n], that are used. Only the
    numbers `candidates` [m] may be. If not `times_known`, `start` is that of an even recording:
    repeated frames may then stand for a lower frame rate, and frames may be missing."""
    repeated = [candidates[i] for i in find_repeated_frames(grey[candidates])]
    left = dict.fromkeys(repeated, "it repeats the frame before")
    distinct = [k for k in candidates if k not in left]
    foreign, matches = find_foreign_frames(grey[distinct])
    left.update({distinct[i]: reason for i, reason in foreign.items()})
    kept = [k for k in distinct if k not in left]
    moved = np.array([motion_of(matches[i, i + 1]) for i in range(len(kept) - 1)]).reshape(-1, 2)
    unit = 1.0
    if repeated and not times_known:
        even = _even_times(distinct, len(grey))
        if _at_lower_rate(moved, np.diff(start[kept])):
            start, unit = even, _frame_spacing(repeated, start[distinct])
    found = {} if times_known else find_missing_frames(moved / np.diff(start[kept])[:, None])
    skipped = {kept[i]: missing for i, missing in found.items()}
    return UsedFrames(kept, start, unit, matches, dict(sorted(left.items())), skipped)


def with_used_frames(stack: Stack, used: UsedFrames) -> Stack:
    """Return the stack with only the frames that are used, and the times of these."""
    kept = used.kept
    if len(kept) == stack.count and used.unit == 1:
        return stack
    frame_time = stack.sensor.frame_time * used.unit
    since = used.start[kept] - used.start[kept[0]]
    even = bool((since == np.arange(len(kept))).all())
    times = None if even else tuple((since * frame_time).tolist())
    return replace(
        stack,
        frames=stack.frames[kept],
        sensor=replace(stack.sensor, frame_time=frame_time, frame_times=times),
        scan=stack.scan[kept],
        colour=None if stack.colour is None else stack.colour[kept],
        measured=None if stack.measured is None else stack.measured[kept],
    )


def clocks(times: Clock, used: UsedFrames) -> tuple[Clock, Clock]:
    """Return the clock of the frames that are used and that of all frames of the stack. Both count
    from the first frame of the stack; `times` counts from the first one that is used."""
    if not used.left and used.unit == 1 and len(used.kept) == len(used.start):
        return times, times
    own = replace(times, start=times.start + float(used.start[used.kept[0]]))
    start = torch.from_numpy(used.start).to(times.start) + times.start[0]
    pace = times.pace[:1].expand(len(start))
    return own, Clock(start, pace, torch.zeros(len(start), 2))


def find_repeated_frames(grey: np.ndarray) -> list[int]:
    """Return the frames of [n, h, w] that repeat the one before, while those before and after them
    move."""
    pairs = len(grey) - 1
    apart = np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(grey)])
    runs: list[tuple[int, int]] = []
    at_ends: list[tuple[int, int]] = []
    k = 0
    while k < pairs:
        # The longest run of small differences that begins here, between larger ones.
        for length in range(min(LONGEST_REPEAT, pairs - k), 0, -1):
            quiet = apart[k : k + length].max()
            around = [apart[i] for i in (k - 1, k + length) if 0 <= i < pairs]
            if around and quiet < REPEATED * min(around):
                (runs if len(around) == 2 else at_ends).append((k, length))
                k += length
                break
        k += 1
    longest = max((length for _, length in runs), default=0)
    # At the ends the camera may be at rest; repeats as long as others are repeats.
    runs += [run for run in at_ends if run[1] <= longest]
    return sorted(first + i + 1 for first, length in runs for i in range(length))


def find_missing_frames(velocity: np.ndarray) -> dict[int, int]:
    """Return how many frames seem to be missing within a step, by its number. There the scene
    moves, by velocities [m, 2] px a frame, a whole number of times as fast as before and after, and
    it does so nowhere else."""
    last = len(velocity) - 1
    if len(velocity) < MIN_PAIRS:
        return {}
    beside = [(1, 2), *((i - 1, i + 1) for i in range(1, last)), (last - 2, last - 1)]
    usual = np.array([velocity[list(pair)].mean(axis=0) for pair in beside])
    jump = np.linalg.norm(velocity - usual, axis=1)
    found: dict[int, int] = {}
    for i, here in enumerate(velocity):
        speed = _mean_motion(*velocity[list(beside[i])])[1]
        if not speed or not np.isfinite(here).all():
            continue
        times = round(float(here @ usual[i]) / speed**2)
        # Jumps of neighbouring steps include this one.
        elsewhere = jump[(np.abs(np.arange(last + 1) - i) > 2) & np.isfinite(jump)]
        clear = not len(elsewhere) or jump[i] > CLEAR_JUMP * np.median(elsewhere)
        near = float(np.linalg.norm(here - times * usual[i])) < WHOLE_STEP * speed
        if clear and near and 2 <= times <= 1 + MAX_MISSING:
            found[i] = times - 1
    return found if len(found) <= max(1, MAX_SKIPPED_SHARE * len(velocity)) else {}


def motion_of(found: Match) -> np.ndarray:
    """Return the median of trusted flow [2] px; NaN where too little is trusted."""
    sure = found.forth_trust > MIN_TRUST
    if float(sure.float().mean()) < MIN_TRUSTED:
        return np.full(2, np.nan)
    return np.asarray(found.forth[:, sure].median(dim=1).values.double())


def _at_lower_rate(moved: np.ndarray, steps: np.ndarray) -> bool:
    """Return whether frames with repeats removed were taken evenly, at a lower frame rate.

    They moved [m, 2] px from each to the next, `steps` [m] frames of the recording apart. At a
    lower rate the motion over a longer step equals that over the steps beside it. Where motion does
    not decide, longer steps at regular places mean a lower rate.
    """
    evenly = stored = 0.0
    for i in range(1, len(moved) - 1):
        longer = steps[i] / (steps[i - 1] + steps[i + 1]) * 2
        usual, speed = _mean_motion(moved[i - 1], moved[i + 1])
        if longer == 1 or not speed:
            continue
        found = float(np.log(max(moved[i] @ usual / speed**2, 1e-3)))
        evenly, stored = evenly + abs(found), stored + abs(found - float(np.log(longer)))
    if evenly or stored:
        return evenly < stored
    places = np.flatnonzero(steps > steps.min())
    apart = set(np.diff(places).tolist())
    return steps.min() > 1 if not len(places) else len(places) > 1 and len(apart) == 1


def _frame_spacing(repeated: Sequence[int], stored: np.ndarray) -> float:
    """Return the time between frames of a lower rate, in frame times of the recording. It follows
    from the distance of repeated frames where that is constant, else from a line through the times
    `stored` of the others."""
    apart = set(np.diff(repeated).tolist())
    period = apart.pop() if len(apart) == 1 else 0
    if period > 1:
        return period / (period - 1)
    return round(float(np.polyfit(np.arange(len(stored)), stored, 1)[0]), 6)


def _mean_motion(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean of two motions [2] and its length; 0 where they are slow or differ."""
    usual = (one + other) / 2
    speed = float(np.linalg.norm(usual))
    alike = speed > MIN_SPEED and float(np.linalg.norm(one - other)) < STEADY * speed
    return usual, speed if alike else 0.0


def _even_times(distinct: Sequence[int], count: int) -> np.ndarray:
    """Return when each of `count` frames was taken, if the distinct ones were taken one step apart.
    The others lie between them; beyond the ends the same density holds."""
    number = np.arange(count)
    place = np.interp(number, distinct, np.arange(len(distinct)))
    rate = (len(distinct) - 1) / (distinct[-1] - distinct[0])
    outside = np.minimum(number - distinct[0], 0) + np.maximum(number - distinct[-1], 0)
    return np.asarray(place + rate * outside)
