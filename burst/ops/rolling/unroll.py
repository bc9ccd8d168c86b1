"""Geometry of a moving scene whose rows are read at different times.

Time counts in frame times. A trajectory is how a point of the scene moves about where it is now:
coefficients [m, 2, h, w] of the polynomial q(s) = c_1 s + c_2 s^2 + ..., px for s frame times. One
coefficient is constant velocity (two frames), two are constant acceleration (three), three follow
four frames, so that over a longer burst the motion is a piecewise cubic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.rolling.shake import Path
from burst.ops.shutter import exposure_window
from burst.ops.warp import invert, pixel_grid, warp
from burst.records import Sensor, Shutter, Stack

ROUNDS = 8  # of the fixed point: by how far a row is displaced depends on the row it lands on
STILL = 1e-3  # px; rows that move by less have landed
BOX = 21  # px, over which frames are compared
NEAR = 0.02  # frame times squared; a view at the very instant is not trusted without bound
MOST = 40.0  # of 255; the most that one pixel counts in a comparison
UNSEEN = 8.0  # of 255; what a comparison counts for where one of the frames does not reach
MARGIN = 0.3  # of 255; by which a second trajectory has to be better than the first
OCCLUDED = 3.0, 0.1  # px a frame time and share of the speed: more is another thing's motion
NARROW = 5  # px, over which images are compared for what hides
DIFFERENT = 0.05  # of white; less does not show


@dataclass(frozen=True)
class Clock:
    """When and where each frame sees: row y of frame k at start[k] + pace[k] * y, in frame times.

    `offset` [n, 2] px is by how much frame k is displaced for other reasons than motion, such as
    the second camera of a rig; `path` is by how much all points are at a time, by a camera's shake.
    """

    start: torch.Tensor
    pace: torch.Tensor
    offset: torch.Tensor
    path: Path | None = None

    def at(self, frame: int, row: torch.Tensor) -> torch.Tensor:
        """Return the time at which a frame sees rows of any shape."""
        return self.start[frame] + self.pace[frame] * row

    def displaced(self, frame: int, row: torch.Tensor) -> torch.Tensor:
        """Return by how much [2, ...] px rows of any shape are displaced in a frame."""
        offset = self.offset[frame].reshape(2, *(1,) * row.ndim).to(row)
        return offset if self.path is None else offset + self.path.at(self.at(frame, row))

    def displaced_at(self, instant: float) -> torch.Tensor:
        """Return by how much [2, 1, 1] px an instant is displaced."""
        if self.path is None:
            return torch.zeros(2, 1, 1)
        return self.path.at(torch.tensor([[instant]]))

    def velocity_at(self, instant: float) -> torch.Tensor:
        """Return how fast [2, 1, 1] px a frame time the path goes at an instant."""
        if self.path is None:
            return torch.zeros(2, 1, 1)
        return self.path.velocity(instant)[:, None, None]

    def instant(self, frame: int, share: float, height: int) -> float:
        """Return the time when `share` of a frame's readout is over."""
        ends = [float(self.at(frame, torch.tensor(row))) for row in (0.0, height - 1.0)]
        return min(ends) + share * (max(ends) - min(ends))


@dataclass(frozen=True)
class View:
    """What one frame shows of an instant: where [2, h, w] px it is seen, how long [h, w] after
    (frame times), and how much [h, w] it counts."""

    displacement: torch.Tensor
    later: torch.Tensor
    weight: torch.Tensor


def clock(sensor: Sensor, height: int, scan: np.ndarray) -> Clock:
    """Return when every row is exposed (the middle of its exposure), as the shutter says."""
    begin, end = exposure_window(sensor, height, scan)
    middle = ((begin + end) / 2 / sensor.frame_time).float()
    pace = (middle[:, -1] - middle[:, 0]) / (height - 1)
    return Clock(middle[:, 0].cpu(), pace.cpu(), torch.zeros(len(scan), 2))


def clock_of(stack: Stack, shutter: str, ratio: float) -> Clock:
    """Return the clock of a stack under a shutter, whose readout takes `ratio` frame times."""
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
    """Return coefficients [m, 2, h, w] of the motion that reaches, after gaps [m, h, w], what mean
    velocities [m, 2, h, w] over these gaps say.

    q(s) / s is the polynomial through the velocities, by Newton's divided differences.
    """
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


def with_gain(motion: torch.Tensor, gap: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Return trajectories [2, 2, h, w] of a velocity that grows by a share `gain` [h, w] of what it
    is now in a frame time, from its mean [1, 2, h, w] over a gap [h, w]."""
    now = motion[0] / (1 + gain * gap / 2)
    return torch.stack([now, now * gain / 2])


def position(motion: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return where [2, h, w] px trajectories [m, 2, h, w] are after times [h, w]."""
    place = torch.zeros_like(motion[0])
    for coefficient in motion.flip(0):
        place = (place + coefficient) * after
    return place


def carry(motion: torch.Tensor, times: Clock, frame: int, instant: float) -> torch.Tensor:
    """Return trajectories [m, 2, h, w] of the pixels of a frame as those of an instant's pixels."""
    _, y = pixel_grid(motion)
    wait = (instant - times.at(frame, y)).expand(motion.shape[-2:])
    moved = position(motion, wait) + times.displaced_at(instant) - times.displaced(frame, y)
    source = invert(-moved[None], iterations=ROUNDS)
    later = _shifted(motion, wait)
    flat = rearrange(later, "m xy h w -> (m xy) h w")
    carried = warp(flat, source.expand(len(flat), -1, -1, -1), mode="bilinear")
    return rearrange(carried, "(m xy) h w -> m xy h w", xy=2)


def view(motion: torch.Tensor, times: Clock, frame: int, instant: float) -> View:
    """Return how a frame sees an instant whose pixels move along trajectories [m, 2, h, w]."""
    x, y = pixel_grid(motion)
    here = times.displaced_at(instant)
    row = y.expand(motion.shape[-2:])
    for _ in range(ROUNDS + 1):
        later = times.at(frame, row) - instant
        displacement = position(motion, later) + times.displaced(frame, row) - here
        row, before = y + displacement[1], row
        if float((row - before).abs().max()) < STILL:
            break
    height, width = motion.shape[-2:]
    across, down = x + displacement[0], y + displacement[1]
    there = (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)
    return View(displacement, later, (there + 1e-4) * closeness(later))


def closeness(later: torch.Tensor) -> torch.Tensor:
    """Return how much what was seen so much later (frame times, any shape) counts."""
    return 1 / (later.square() + NEAR)


def sample(planes: torch.Tensor, seen: View, mode: str = "bicubic") -> torch.Tensor:
    """Return planes [c, h, w] of a frame as a view shows them."""
    return warp(planes, seen.displacement[None].expand(len(planes), -1, -1, -1), mode)


def choose(
    candidates: Sequence[torch.Tensor],
    frames: torch.Tensor,
    times: Clock,
    seen_by: Sequence[int],
    instant: float,
) -> torch.Tensor:
    """Return, pixel by pixel, the trajectories by which frames [n, h, w] (0..255) agree best.

    The first candidate has precedence, and the first of the frames `seen_by` is what the others
    are held against.
    """
    best, least = candidates[0], None
    for motion in candidates:
        cost = _disagreement(motion, frames, times, seen_by, instant)
        if least is None:
            least = cost
            continue
        better = cost + MARGIN < least
        best, least = torch.where(better, motion, best), torch.where(better, cost, least)
    return best


def strangeness(seen: View, motion: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return how far [h, w] the velocity [2, h, w] that a frame has where it is looked at is from
    that of the trajectory [m, 2, h, w], in units of what is allowed: above 1 it is another thing,
    which stands before the point or behind its place."""
    found = sample(own, seen, "bilinear")
    allowed = OCCLUDED[0] + OCCLUDED[1] * motion[0].norm(dim=0)
    return torch.Tensor((found - motion[0]).norm(dim=0) / allowed)


def open_to_view(images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return how surely [k, h, w] nothing hides a point in images [k, c, h, w] of 0..1: 1 surely.

    Where images differ, those are doubted in which the point may be hidden [k, h, w].
    """
    apart = (images.amax(0) - images.amin(0)).mean(0)
    differ = (_boxed(apart, NARROW) / DIFFERENT).square().clamp(max=1)
    return torch.exp(-differ * hidden.square())


def blend(images: torch.Tensor, views: Sequence[View], opened: torch.Tensor) -> torch.Tensor:
    """Return the mean [c, h, w] of images [k, c, h, w], weighted by how close in time they were
    seen and by how surely [k, h, w] nothing hides the point."""
    weights = torch.stack([seen.weight for seen in views]) * (opened + 1e-3)
    return (images * (weights / weights.sum(0))[:, None]).sum(0)


def _disagreement(
    motion: torch.Tensor,
    frames: torch.Tensor,
    times: Clock,
    seen_by: Sequence[int],
    instant: float,
) -> torch.Tensor:
    views = [view(motion, times, k, instant) for k in seen_by]
    images = [
        sample(frames[k : k + 1], v, "bilinear")[0] for k, v in zip(seen_by, views, strict=True)
    ]
    total = torch.zeros_like(images[0])
    weights = torch.zeros_like(total)
    for image, other in zip(images[1:], views[1:], strict=True):
        total += other.weight * _boxed((image - images[0]).abs().clamp(max=MOST), BOX)
        weights += other.weight
    seen = reaches(views[0]) * torch.stack([reaches(v) for v in views[1:]]).amax(0)
    return torch.where(seen > 0, total / weights, UNSEEN)


def reaches(seen: View) -> torch.Tensor:
    """Return where [h, w] a view lies within its frame, 1 there and 0 beyond."""
    return (seen.weight * (seen.later.square() + NEAR) > 0.5).float()


def _boxed(values: torch.Tensor, box: int) -> torch.Tensor:
    mean = functional.avg_pool2d(values[None, None], box, 1, box // 2, count_include_pad=False)
    return mean[0, 0]


def _shifted(motion: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Return the coefficients of q(by + s) - q(by) for trajectories [m, 2, h, w], by [h, w]."""
    moved = []
    for i in range(1, len(motion) + 1):
        terms = (math.comb(j, i) * motion[j - 1] * by ** (j - i) for j in range(i, len(motion) + 1))
        moved.append(torch.stack(list(terms)).sum(0))
    return torch.stack(moved)
