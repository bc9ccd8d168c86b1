"""A rolling-shutter recording with its optical flow, and what is estimated from it: the offset
between two cameras, the growth of the velocity, the camera's shake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.nn import functional

from burst.ops.flow import Match, chain
from burst.ops.rolling.shake import Shake, TimedFlow, find_shake
from burst.ops.rolling.unroll import Clock, elapsed
from burst.ops.warp import pixel_grid, warp

# The numbers below were chosen by hand; docs/methods.md gives the results with them.
SPAN = 32  # rows, over which an upright edge is followed
EDGE = 8.0  # of 255 a px, mean over EDGE_BOX: the least horizontal slope of an edge
EDGE_BOX = 5  # px
MIN_SPEED = 5.0  # px a frame time; slower edges do not measure the growth
MIN_POINTS = 1000  # on such edges
LEAN = 0.05  # share of the speed; the false growth that slanting edges show
MAX_GROWTH = 0.8  # share in a frame time; at 1 the velocity would vanish within the recording
MAX_ORDER_WITH_SHAKE = 2  # of trajectories, where the shake is modelled as well
WINDOW = 2  # frames before and after one, from which the shake near it is estimated
SIMULTANEOUS = 0.3  # of the readout; rows of a pair read closer in time measure its offset
LEAST_TRUST, SURE = 0.5, 0.8  # of flow


@dataclass(frozen=True)
class Recording:
    """Frames [n, h, w] (luminance, 0..255) with the flow between them and the times of their rows.

    matches  flow of pairs of frames, both ways
    order    degree of the trajectories
    paired   frames 2i and 2i + 1 are of the same moment, read in opposite directions
    growth   growth of the velocity of a single pair, as a share in a frame time
    usable   [n, c, h, w] 1 where colours are not saturated, else 0; None is everywhere
    shakes   the camera's shake near some of the frames, by number
    """

    frames: torch.Tensor
    matches: Mapping[tuple[int, int], Match]
    times: Clock
    order: int
    paired: bool = False
    growth: float = 0.0
    usable: torch.Tensor | None = None
    shakes: Mapping[int, Shake] = field(default_factory=dict)

    @property
    def displacement_rms(self) -> float:
        """By how far points move from one frame to the next, rms px."""
        if not self.matches:
            return 0.0
        moved = torch.stack([match.forth for match in self.matches.values()])
        if not self.paired:
            # To a hundred thousandth, so that even times divide by 1.
            steps = (self.times.start.diff() * 1e5).round() / 1e5
            moved = moved / steps[:, None, None, None].to(moved)
        return float(moved.square().mean().sqrt())

    @property
    def trusted(self) -> float:
        """The share of the pixels that are found again in the next frame."""
        if not self.matches:
            return 1.0
        trust = torch.stack([match.forth_trust for match in self.matches.values()])
        return float(trust.gt(0.5).float().mean())

    def flow(self, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the flow [2, h, w] px from one frame to another and its trust [h, w]. It is the
        sum of the steps through the frames between them."""
        step = 1 if second > first else -1
        found, trust = self._step(first, first + step)
        for k in range(first + step, second, step):
            onward, onward_trust = self._step(k, k + step)
            trust = trust * _trust_at(onward_trust, found)
            found = chain(found, onward)
        return found, trust

    def _step(self, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor]:
        if second > first:
            found = self.matches[first, second]
        else:
            found = self.matches[second, first].reversed()
        return found.forth, found.forth_trust

    def frames_near(self, instant: float) -> list[int]:
        """Return the frames from which an instant is made, the closest in time first."""
        height = self.frames.shape[1]
        middles = [self.times.instant(k, 0.5, height) for k in range(len(self.frames))]
        order = sorted(range(len(middles)), key=lambda k: abs(middles[k] - instant))
        if self.paired:
            first = order[0] // 2 * 2
            return [first, first + 1]
        return [k for k in order if abs(k - order[0]) <= 1]

    def shake_near(self, instant: float) -> Shake | None:
        """Return the camera's shake near an instant; None where it is not known."""
        return self.shakes.get(self.frames_near(instant)[0])


def measure_growth(recording: Recording) -> float:
    """Estimate the growth of a pair's velocity, as a share of the velocity in a frame time.

    Rows are read at different times, so acceleration changes the flow down the frame. Depth does so
    as well, but not along upright edges: a column is as far away at its top as at its foot, and
    moves sideways as fast. The median over such edges is shrunk towards zero, since edges may lean.
    """
    found = []
    for first, second in ((0, 1), (1, 0)):
        flow, trust = recording.flow(first, second)
        across = flow[0] / elapsed(flow, recording.times, first, second)
        edges = _sure_edges(recording.frames[first], trust)
        mean = (across[SPAN:] + across[:-SPAN]) / 2
        points = edges[SPAN:] & edges[:-SPAN] & (mean.abs() > MIN_SPEED)
        waited = SPAN * float(recording.times.pace[first])
        found.append(((across[SPAN:] - across[:-SPAN]) / mean)[points] / waited)
    shares = torch.cat(found)
    if len(shares) < MIN_POINTS:
        return 0.0
    share = float(shares.median())
    # Edges that seem to accelerate more were matched wrongly.
    return share**3 / (share**2 + LEAN**2) if abs(share) < MAX_GROWTH else 0.0


def with_shake(recording: Recording, instants: Sequence[float]) -> Recording:
    """Return the recording with the camera's shake near the frames closest to instants."""
    shakes = {}
    for frame in sorted({recording.frames_near(instant)[0] for instant in instants}):
        path = find_shake(*_timed_flows(recording, frame))
        if path is not None:
            shakes[frame] = path
    order = min(recording.order, MAX_ORDER_WITH_SHAKE) if shakes else recording.order
    return replace(recording, shakes=shakes, order=order)


def camera_offset(recording: Recording, first: int) -> torch.Tensor:
    """Estimate the offset [2] px of the second camera of a dual reversed pair against the first.
    Both cameras read the middle row at the same time, so flow there is the offset alone. Robust
    lines of flow against elapsed time, over rows near the middle, give it at elapsed time zero."""
    flow, trust = recording.flow(first, first + 1)
    gap = elapsed(flow, recording.times, first, first + 1)
    readout = float(recording.times.pace[first].abs()) * flow.shape[1]
    points = (trust > LEAST_TRUST) & (gap.abs() < SIMULTANEOUS * readout)
    if int(points.sum()) < flow.shape[2]:
        return torch.zeros(2)
    time = gap[points]
    offset = []
    for moved in flow:
        line = torch.stack([torch.ones_like(time), time], dim=1)
        weight = torch.ones_like(time)
        for _ in range(8):
            scaled = line * weight[:, None]
            answer = torch.linalg.solve(scaled.T @ line, scaled.T @ moved[points])
            miss = (line @ answer - moved[points]).abs()
            weight = 1 / (miss + 0.5)
        offset.append(answer[0])
    return torch.stack(offset)


def with_camera_offset(recording: Recording, first: int) -> Recording:
    """Return the recording with the offset of the second frame of a pair."""
    offset = recording.times.offset.clone()
    offset[first + 1] = camera_offset(recording, first)
    return replace(recording, times=replace(recording.times, offset=offset))


def _trust_at(trust: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return trust [h, w] at the positions to which flow [2, h, w] leads."""
    return warp(trust[None], flow[None], mode="bilinear")[0]


def _timed_flows(recording: Recording, frame: int) -> tuple[torch.Tensor, list[TimedFlow]]:
    """Return when the points of a frame are read [h, w], and their flow to the frames near it, the
    closest first."""
    times, size = recording.times, recording.frames.shape[-2:]
    _, y = pixel_grid(recording.frames)
    others = [k for k in range(len(recording.frames)) if 0 < abs(k - frame) <= WINDOW]
    found = []
    for other in sorted(others, key=lambda k: (abs(k - frame), -k)):
        flow, trust = recording.flow(frame, other)
        found.append(TimedFlow(flow, trust, times.at(other, y + flow[1])))
    return times.at(frame, y).expand(size), found


def _sure_edges(frame: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Return [h, w] bool: where a frame [h, w] has upright edges and its flow high trust [h, w]."""
    steep = functional.pad(frame.diff(dim=1).abs(), (0, 1))
    mean = functional.avg_pool2d(steep[None, None], EDGE_BOX, 1, EDGE_BOX // 2)[0, 0]
    return (mean > EDGE) & (trust > SURE)
