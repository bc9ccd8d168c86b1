"""Geometry of a moving scene whose rows are read at different times.

Time counts in frame times. A trajectory is the motion of a point relative to its present place:
coefficients [m, 2, h, w] of the polynomial q(s) = c_1 s + c_2 s^2 + ..., px after s frame times.
One coefficient is constant velocity (two frames), two are constant acceleration (three), three pass
through four frames; over a longer burst the motion is then a piecewise cubic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.rolling.shake import Shake
from burst.ops.shutter import exposure_window
from burst.ops.warp import invert, pixel_grid, warp, within
from burst.records import Sensor, Shutter, Stack

# The numbers below were chosen by hand; docs/methods.md gives the results with them.
ROUNDS = 8  # of the fixed point: the displacement of a row depends on the row it lands on
CONVERGED = 1e-3  # px; the iteration ends when rows move by less
BOX = 21  # px, over which frames are compared
MIN_SQUARED_TIME = 0.02  # frame times squared; bounds the weight of a frame at the very instant
MAX_DIFFERENCE = 40.0  # of 255; larger differences of a pixel count as this
UNSEEN_COST = 8.0  # of 255; cost where one of the frames does not reach
MIN_GAIN = 0.3  # of 255; by which a second trajectory has to be better than the first
VELOCITY_TOLERANCE = 3.0, 0.1  # px a frame time; share of the speed: a larger mismatch is occlusion
OCCLUSION_BOX = 5  # px, over which images are compared for occlusion
VISIBLE_DIFFERENCE = 0.05  # of white; smaller differences of images do not matter


@dataclass(frozen=True)
class Clock:
    """When each row is read and how far it is displaced: row y of frame k at start[k] + pace[k] *
    y. Times are in frame times. `offset` [n, 2] px is the displacement of a frame that is not
    motion, such as that of a second camera; `shake` displaces all points alike."""

    start: torch.Tensor
    pace: torch.Tensor
    offset: torch.Tensor
    shake: Shake | None = None

    def at(self, frame: int, row: torch.Tensor) -> torch.Tensor:
        """Return the times at which rows of any shape are read in a frame."""
        return self.start[frame] + self.pace[frame] * row

    def displaced(self, frame: int, row: torch.Tensor) -> torch.Tensor:
        """Return the displacement [2, ...] px of rows of any shape in a frame."""
        offset = self.offset[frame].reshape(2, *(1,) * row.ndim).to(row)
        return offset if self.shake is None else offset + self.shake.at(self.at(frame, row))

    def displaced_at(self, instant: float) -> torch.Tensor:
        """Return the displacement [2, 1, 1] px by the shake at an instant."""
        if self.shake is None:
            return torch.zeros(2, 1, 1)
        return self.shake.at(torch.tensor([[instant]]))

    def velocity_at(self, instant: float) -> torch.Tensor:
        """Return the velocity [2, 1, 1] px a frame time of the shake at an instant."""
        if self.shake is None:
            return torch.zeros(2, 1, 1)
        return self.shake.velocity(instant)[:, None, None]

    def instant(self, frame: int, share: float, height: int) -> float:
        """Return the time at which `share` of a frame's readout is over."""
        ends = [float(self.at(frame, torch.tensor(row))) for row in (0.0, height - 1.0)]
        return min(ends) + share * (max(ends) - min(ends))


@dataclass(frozen=True)
class FrameSampling:
    """Where a frame shows the points of an instant.

    displacement  [2, h, w] px from the place at the instant to that in the frame
    later         [h, w] frame times after the instant at which the frame saw the point
    weight        [h, w] of the frame in an average
    """

    displacement: torch.Tensor
    later: torch.Tensor
    weight: torch.Tensor


def clock(sensor: Sensor, height: int, scan: np.ndarray) -> Clock:
    """Return the clock of a sensor: the middle of each row's exposure, in frame times."""
    begin, end = exposure_window(sensor, height, scan)
    middle = ((begin + end) / 2 / sensor.frame_time).float()
    pace = (middle[:, -1] - middle[:, 0]) / (height - 1)
    return Clock(middle[:, 0].cpu(), pace.cpu(), torch.zeros(len(scan), 2))


def clock_of(stack: Stack, shutter: str, ratio: float) -> Clock:
    """Return the clock of a stack for a shutter whose readout takes `ratio` frame times."""
    unit, times = stack.sensor.frame_time, stack.sensor.frame_times
    sensor = replace(
        stack.sensor,
        shutter=Shutter(shutter),
        frame_time=1.0,
        frame_times=None if times is None else tuple(time / unit for time in times),
        row_time=ratio / stack.height,
        exposure_time=0.0,  # shifts all rows alike
    )
    return clock(sensor, stack.height, stack.scan)


def elapsed(flow: torch.Tensor, times: Clock, first: int, second: int) -> torch.Tensor:
    """Return the time [h, w] from a pixel of one frame to where its flow [2, h, w] leads."""
    _, y = pixel_grid(flow)
    return times.at(second, y + flow[1]) - times.at(first, y)


def trajectory(gaps: torch.Tensor, velocities: torch.Tensor) -> torch.Tensor:
    """Return trajectories [m, 2, h, w] from mean velocities [m, 2, h, w] over gaps [m, h, w]. q(s)
    / s is the polynomial through the velocities, by Newton's divided differences."""
    differences, table = [velocities[0]], list(velocities)
    for order in range(1, len(velocities)):
        table = [
            (table[i + 1] - table[i]) / (gaps[i + order] - gaps[i]) for i in range(len(table) - 1)
        ]
        differences.append(table[0])
    polynomial = [differences[-1]]
    for difference, gap in zip(differences[-2::-1], gaps.flip(0)[1:], strict=True):
        shifted = [torch.zeros_like(difference), *polynomial]
        scaled = [*(-gap * c for c in polynomial), torch.zeros_like(difference)]
        polynomial = [a + b for a, b in zip(shifted, scaled, strict=True)]
        polynomial[0] = polynomial[0] + difference
    return torch.stack(polynomial)


def with_velocity_growth(
    motion: torch.Tensor, gap: torch.Tensor, growth: torch.Tensor
) -> torch.Tensor:
    """Return trajectories [2, 2, h, w] whose velocity grows by `growth` [h, w] of itself in a frame
    time and has the mean [1, 2, h, w] over a gap [h, w]."""
    now = motion[0] / (1 + growth * gap / 2)
    return torch.stack([now, now * growth / 2])


def position(motion: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return the displacement [2, h, w] px along trajectories [m, 2, h, w] after times [h, w]."""
    place = torch.zeros_like(motion[0])
    for coefficient in motion.flip(0):
        place = (place + coefficient) * after
    return place


def trajectories_at(motion: torch.Tensor, times: Clock, frame: int, instant: float) -> torch.Tensor:
    """Move the trajectories [m, 2, h, w] of a frame's pixels to the pixels of an instant."""
    _, y = pixel_grid(motion)
    wait = (instant - times.at(frame, y)).expand(motion.shape[-2:])
    moved = position(motion, wait) + times.displaced_at(instant) - times.displaced(frame, y)
    source = invert(-moved[None], iterations=ROUNDS)
    later = _shifted(motion, wait)
    flat = rearrange(later, "m xy h w -> (m xy) h w")
    carried = warp(flat, source.expand(len(flat), -1, -1, -1), mode="bilinear")
    return rearrange(carried, "(m xy) h w -> m xy h w", xy=2)


def frame_sampling(motion: torch.Tensor, times: Clock, frame: int, instant: float) -> FrameSampling:
    """Return where a frame shows the points of an instant with trajectories [m, 2, h, w]."""
    x, y = pixel_grid(motion)
    size = (motion.shape[-2], motion.shape[-1])
    here = times.displaced_at(instant)
    row = y.expand(size)
    for _ in range(ROUNDS + 1):
        later = times.at(frame, row) - instant
        displacement = position(motion, later) + times.displaced(frame, row) - here
        row, before = y + displacement[1], row
        if float((row - before).abs().max()) < CONVERGED:
            break
    there = within(x + displacement[0], y + displacement[1], size)
    return FrameSampling(displacement, later, (there + 1e-4) * time_weight(later))


def time_weight(later: torch.Tensor) -> torch.Tensor:
    """Return the weight of what was seen `later` frame times after an instant, of any shape."""
    return 1 / (later.square() + MIN_SQUARED_TIME)


def sample(planes: torch.Tensor, seen: FrameSampling, mode: str = "bicubic") -> torch.Tensor:
    """Sample planes [c, h, w] of a frame at the points of an instant."""
    return warp(planes, seen.displacement[None].expand(len(planes), -1, -1, -1), mode)


def choose_trajectories(
    candidates: Sequence[torch.Tensor],
    frames: torch.Tensor,
    times: Clock,
    near: Sequence[int],
    instant: float,
) -> torch.Tensor:
    """Return, pixel by pixel, the trajectories by which frames [n, h, w] (0..255) agree best. The
    first candidate is preferred; the first of the frames `near` is the reference of the others."""
    best, least = candidates[0], None
    for motion in candidates:
        cost = _disagreement(motion, frames, times, near, instant)
        if least is None:
            least = cost
            continue
        better = cost + MIN_GAIN < least
        best, least = torch.where(better, motion, best), torch.where(better, cost, least)
    return best


def velocity_mismatch(seen: FrameSampling, motion: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return how far [h, w] a frame's own velocity is from the trajectory's, in units of what is
    allowed. `own` [2, h, w] is sampled where the frame shows the point of trajectories `motion`
    [m, 2, h, w]. Above 1 the frame shows something else, before or behind the point."""
    found = sample(own, seen, "bilinear")
    allowed = VELOCITY_TOLERANCE[0] + VELOCITY_TOLERANCE[1] * torch.hypot(*motion[0])
    return torch.hypot(*(found - motion[0])) / allowed


def visibility(images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return how likely [k, h, w] a point is visible in images [k, c, h, w] of 0..1. Where images
    differ, those in which the point may be `hidden` [k, h, w] count less."""
    apart = (images.amax(0) - images.amin(0)).mean(0)
    differ = (_boxed(apart, OCCLUSION_BOX) / VISIBLE_DIFFERENCE).square().clamp(max=1)
    return torch.exp(-differ * hidden.square())


def blend(
    images: torch.Tensor, samplings: Sequence[FrameSampling], visible: torch.Tensor
) -> torch.Tensor:
    """Return the mean [c, h, w] of images [k, c, h, w], weighted by closeness in time and by how
    likely [k, h, w] the point is `visible`."""
    weights = torch.stack([seen.weight for seen in samplings]) * (visible + 1e-3)
    return (images * (weights / weights.sum(0))[:, None]).sum(0)


def _disagreement(
    motion: torch.Tensor,
    frames: torch.Tensor,
    times: Clock,
    near: Sequence[int],
    instant: float,
) -> torch.Tensor:
    samplings = [frame_sampling(motion, times, k, instant) for k in near]
    images = [
        sample(frames[k : k + 1], v, "bilinear")[0] for k, v in zip(near, samplings, strict=True)
    ]
    total = torch.zeros_like(images[0])
    weights = torch.zeros_like(total)
    for image, other in zip(images[1:], samplings[1:], strict=True):
        total += other.weight * _boxed((image - images[0]).abs().clamp(max=MAX_DIFFERENCE), BOX)
        weights += other.weight
    seen = inside_frame(samplings[0]) * torch.stack([inside_frame(v) for v in samplings[1:]]).amax(
        0
    )
    return torch.where(seen > 0, total / weights, UNSEEN_COST)


def inside_frame(seen: FrameSampling) -> torch.Tensor:
    """Return 1 where [h, w] a point lies within the frame, and 0 elsewhere."""
    return (seen.weight * (seen.later.square() + MIN_SQUARED_TIME) > 0.5).float()


def _boxed(values: torch.Tensor, box: int) -> torch.Tensor:
    mean = functional.avg_pool2d(values[None, None], box, 1, box // 2, count_include_pad=False)
    return mean[0, 0]


def _shifted(motion: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Return the coefficients of q(by + s) - q(by) for trajectories [m, 2, h, w], `by` [h, w]."""
    moved = []
    for i in range(1, len(motion) + 1):
        terms = (math.comb(j, i) * motion[j - 1] * by ** (j - i) for j in range(i, len(motion) + 1))
        moved.append(torch.stack(list(terms)).sum(0))
    return torch.stack(moved)
