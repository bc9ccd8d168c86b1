"""Which frames of a rolling recording take part, and when each was taken: told from their motion.

Frames that repeat the one before, as programs store them that change the rate, show nothing of
their own moment. A frame of something else, or of nothing, would spoil the instants around it.
Where a frame is missing and no time stamps say so, all seems to move twice as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from burst.ops.flow import Match
from burst.ops.rolling.strange import find_strange
from burst.ops.rolling.unroll import Clock
from burst.records import Stack

# Of the difference to the frames around. Repeated frames came out below 0.03 in H.264, MPEG-4 and
# MJPEG, and those of a camera that turns back, whose rows slant the other way, above 0.3.
REPEATED = 0.05
LONGEST_REPEAT = 6  # frames; film at 12 a second that is stored at 60 has four
SURE, LEAST_SURE = 0.5, 0.05  # trust, and share of the pixels
# A jump between frames counts as whole steps where it is that close to them (shares of a step), and
# steps before and after are alike (the same) and not slower (px).
CLOSE, ALIKE, SLOWEST, MOST_SKIPPED = 0.4, 0.7, 1.5, 4
CLEAR = 4.0  # times as large as the changes of velocity elsewhere
FEWEST_PAIRS, SKIPS = 4, 0.25  # to tell of skips; share of the pairs, above which it is a shake


@dataclass(frozen=True)
class Taken:
    """What of n frames takes part.

    kept     [m] numbers of the frames that do
    start    [n] when each frame was taken, in the time between two that follow one another
    unit     that time, in what `start` was given in
    matches  of every frame kept with the next, by their places among those kept
    left     why each other frame does not, by number
    skipped  how many frames seem to be missing after a frame, by its number
    """

    kept: list[int]
    start: np.ndarray
    unit: float
    matches: Mapping[tuple[int, int], Match]
    left: Mapping[int, str]
    skipped: Mapping[int, int]

    def numbers(self, frame_time: float) -> dict[str, Any]:
        """Return what a report says of frames that do not take part; nothing where all do."""
        found: dict[str, Any] = {}
        if self.left:
            found["left_out"] = {str(k): why for k, why in self.left.items()}
            found["start"] = self.start.tolist()
        if self.unit != 1:
            found["frame_time"] = self.unit * frame_time
        return found

    def words(self) -> Iterator[str]:
        """Yield what a person should know, in sentences."""
        for why in dict.fromkeys(self.left.values()):
            numbers = ", ".join(str(k) for k, own in self.left.items() if own == why)
            yield f"Left out, counted from 0: {numbers}; {why}."
        if self.unit != 1:
            yield (
                f"The other frames moved as if taken evenly, {self.unit:.3g} frame times of the"
                " recording apart; that is the frame time from here on. If it is not, say"
                " frame_times in a sidecar."
            )
        for frame, missing in self.skipped.items():
            yield (
                f"From frame {frame} to the next all moved {missing + 1} times as far as before and"
                f" after: {missing} may be missing between them. Say in a sidecar when each frame"
                " was taken: frame_times, in seconds."
            )


def frames_taken(grey: np.ndarray, start: np.ndarray, given: Sequence[int], told: bool) -> Taken:
    """Return which of frames [n, h, w] (0..255) take part, that were taken at times `start` [n].

    Only the numbers `given` [m] may. `told` says whether the times are known; else they are those
    of an even recording, in which repeated frames may stand for a lower rate, and frames may be
    missing.
    """
    repeated = [given[i] for i in find_repeats(grey[given])]
    left = dict.fromkeys(repeated, "it repeats the frame before")
    distinct = [k for k in given if k not in left]
    strange, matches = find_strange(grey[distinct])
    left.update({distinct[i]: reason for i, reason in strange.items()})
    kept = [k for k in distinct if k not in left]
    moved = np.array([motion_of(matches[i, i + 1]) for i in range(len(kept) - 1)]).reshape(-1, 2)
    unit = 1.0
    if repeated and not told:
        even = _spread(distinct, len(grey))
        if _at_lower_rate(moved, np.diff(start[kept])):
            start, unit = even, _unit(repeated, start[distinct])
    found = {} if told else find_skips(moved / np.diff(start[kept])[:, None])
    skipped = {kept[i]: missing for i, missing in found.items()}
    return Taken(kept, start, unit, matches, dict(sorted(left.items())), skipped)


def stack_taken(stack: Stack, taken: Taken) -> Stack:
    """Return the frames of a stack that take part, and when they were taken."""
    kept = taken.kept
    if len(kept) == stack.count and taken.unit == 1:
        return stack
    frame_time = stack.sensor.frame_time * taken.unit
    since = taken.start[kept] - taken.start[kept[0]]
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


def clocks(times: Clock, taken: Taken) -> tuple[Clock, Clock]:
    """Return the clock of the frames that take part, and that of all frames of the stack, both
    counted from the first frame of all; `times` counts from the first that takes part."""
    if not taken.left and taken.unit == 1 and len(taken.kept) == len(taken.start):
        return times, times
    own = replace(times, start=times.start + float(taken.start[taken.kept[0]]))
    start = torch.from_numpy(taken.start).to(times.start) + times.start[0]
    pace = times.pace[:1].expand(len(start))
    return own, Clock(start, pace, torch.zeros(len(start), 2))


def find_repeats(grey: np.ndarray) -> list[int]:
    """Return the frames of [n, h, w] that show the same as the one before, while those before and
    after them move."""
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
    # A recording may begin or end at rest; where others repeat as long, it does not.
    runs += [run for run in at_ends if run[1] <= longest]
    return sorted(first + i + 1 for first, length in runs for i in range(length))


def find_skips(velocity: np.ndarray) -> dict[int, int]:
    """Return how many frames seem to be missing within a step, by its number: what is seen to move
    by velocities [m, 2] px a frame goes as many times as fast as before and after, which it does
    nowhere else."""
    last = len(velocity) - 1
    if len(velocity) < FEWEST_PAIRS:
        return {}
    beside = [(1, 2), *((i - 1, i + 1) for i in range(1, last)), (last - 2, last - 1)]
    usual = np.array([velocity[list(pair)].mean(axis=0) for pair in beside])
    jump = np.linalg.norm(velocity - usual, axis=1)
    found: dict[int, int] = {}
    for i, here in enumerate(velocity):
        speed = _usual(*velocity[list(beside[i])])[1]
        if not speed or not np.isfinite(here).all():
            continue
        times = round(float(here @ usual[i]) / speed**2)
        # The jumps of the steps beside are those over this one.
        elsewhere = jump[(np.abs(np.arange(last + 1) - i) > 2) & np.isfinite(jump)]
        clear = not len(elsewhere) or jump[i] > CLEAR * np.median(elsewhere)
        near = float(np.linalg.norm(here - times * usual[i])) < CLOSE * speed
        if clear and near and 2 <= times <= 1 + MOST_SKIPPED:
            found[i] = times - 1
    return found if len(found) <= max(1, SKIPS * len(velocity)) else {}


def motion_of(found: Match) -> np.ndarray:
    """Return the median motion [2] px of what is trusted; NaN where too little is."""
    sure = found.forth_trust > SURE
    if float(sure.float().mean()) < LEAST_SURE:
        return np.full(2, np.nan)
    return np.asarray(found.forth[:, sure].median(dim=1).values.double())


def _at_lower_rate(moved: np.ndarray, steps: np.ndarray) -> bool:
    """Tell whether frames that moved [m, 2] px from each to the next, `steps` [m] of the recording
    apart, were taken evenly: then all moves as far over a longer step as over those beside it.

    Where the motion does not tell, longer steps at regular places are those of a lower rate.
    """
    evenly = stored = 0.0
    for i in range(1, len(moved) - 1):
        longer = steps[i] / (steps[i - 1] + steps[i + 1]) * 2
        usual, speed = _usual(moved[i - 1], moved[i + 1])
        if longer == 1 or not speed:
            continue
        found = float(np.log(max(moved[i] @ usual / speed**2, 1e-3)))
        evenly, stored = evenly + abs(found), stored + abs(found - float(np.log(longer)))
    if evenly or stored:
        return evenly < stored
    places = np.flatnonzero(steps > steps.min())
    apart = set(np.diff(places).tolist())
    return steps.min() > 1 if not len(places) else len(places) > 1 and len(apart) == 1


def _unit(repeated: Sequence[int], stored: np.ndarray) -> float:
    """Return the time between frames taken evenly, of which the recording says times `stored`:
    from the distance of frames that are repeated, where it is always the same."""
    apart = set(np.diff(repeated).tolist())
    period = apart.pop() if len(apart) == 1 else 0
    if period > 1:
        return period / (period - 1)
    return round(float(np.polyfit(np.arange(len(stored)), stored, 1)[0]), 6)


def _usual(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean of two motions [2] and its length; 0 where they are slow or not alike."""
    usual = (one + other) / 2
    speed = float(np.linalg.norm(usual))
    alike = speed > SLOWEST and float(np.linalg.norm(one - other)) < ALIKE * speed
    return usual, speed if alike else 0.0


def _spread(distinct: Sequence[int], count: int) -> np.ndarray:
    """Return when each of `count` frames was taken, where those that are distinct were taken one
    step apart; the others lie between, and beyond as densely."""
    number = np.arange(count)
    place = np.interp(number, distinct, np.arange(len(distinct)))
    rate = (len(distinct) - 1) / (distinct[-1] - distinct[0])
    outside = np.minimum(number - distinct[0], 0) + np.maximum(number - distinct[-1], 0)
    return np.asarray(place + rate * outside)
