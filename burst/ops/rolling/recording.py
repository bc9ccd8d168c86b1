"""A recording of a moving scene, and what it tells of how it was taken: how frames are matched, an
offset between two cameras, how a camera speeds up, how it shakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.nn import functional

from burst.ops.flow import Match, follow
from burst.ops.rolling.shake import Path, Sighting, find_shake
from burst.ops.rolling.unroll import Clock, elapsed
from burst.ops.warp import pixel_grid, warp

SPAN = 32  # rows, over which an upright edge is followed
EDGE = 8.0  # of 255 a px, over EDGE_BOX: a steep change across
EDGE_BOX = 5  # px
SLOWEST = 5.0  # px a frame time; slower edges say nothing of growth
FEWEST = 1000  # points
UPRIGHT = 0.05  # share of the speed; the growth that slanting edges feign
MOST_GROWTH = 0.8  # share in a frame time; at 1 the velocity would vanish within the recording
WITH_PATH = 2  # the highest order of trajectories beside a path of the camera
WINDOW = 2  # frames before and after one, which tell of the camera's path about it
MEETING = 0.3  # of the readout; rows of a pair that are read closer in time tell its offset
LEAST_TRUST, SURE = 0.5, 0.8


@dataclass(frozen=True)
class Recording:
    """Frames [n, h, w] (luminance, 0..255), the matches known of pairs of them, and their times.

    `order` is the degree of the trajectories; where frames are `paired`, 2i and 2i + 1 are of the
    same moment and read in opposite directions. `gain` is the growth of a lone pair's velocity,
    `usable` [n, h, w] where pixels tell of the scene, None is everywhere; `paths` are the camera's
    about some of the frames.
    """

    frames: torch.Tensor
    matches: Mapping[tuple[int, int], Match]
    times: Clock
    order: int
    paired: bool = False
    gain: float = 0.0
    usable: torch.Tensor | None = None
    paths: Mapping[int, Path] = field(default_factory=dict)

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
        """Return the flow [2, h, w] from one frame to another, through those between, and its
        trust [h, w]."""
        step = 1 if second > first else -1
        found, trust = self._step(first, first + step)
        for k in range(first + step, second, step):
            onward, onward_trust = self._step(k, k + step)
            trust = trust * _trust_at(onward_trust, found)
            found = follow(found, onward)
        return found, trust

    def _step(self, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor]:
        if second > first:
            found = self.matches[first, second]
        else:
            found = self.matches[second, first].reversed()
        return found.forth, found.forth_trust

    def frames_near(self, instant: float) -> list[int]:
        """Return the frames that tell of an instant, the closest first."""
        height = self.frames.shape[1]
        middles = [self.times.instant(k, 0.5, height) for k in range(len(self.frames))]
        order = sorted(range(len(middles)), key=lambda k: abs(middles[k] - instant))
        if self.paired:
            first = order[0] // 2 * 2
            return [first, first + 1]
        return [k for k in order if abs(k - order[0]) <= 1]

    def path_about(self, instant: float) -> Path | None:
        """Return the camera's path about an instant; None where it is not known."""
        return self.paths.get(self.frames_near(instant)[0])


def growth(recording: Recording) -> float:
    """Return by which share of itself the velocity of a pair of frames grows in a frame time.

    The rows of a frame see the motion at different times, so acceleration changes the flow down
    the frame. So does depth, but not along what stands upright: a column is as far away at its top
    as at its foot, and moves to the side as fast, even when the camera moves forward. The median
    over such edges is drawn to zero by how far they may lean.
    """
    found = []
    for first, second in ((0, 1), (1, 0)):
        flow, trust = recording.flow(first, second)
        across = flow[0] / elapsed(flow, recording.times, first, second)
        edges = _sure_edges(recording.frames[first], trust)
        mean = (across[SPAN:] + across[:-SPAN]) / 2
        points = edges[SPAN:] & edges[:-SPAN] & (mean.abs() > SLOWEST)
        waited = SPAN * float(recording.times.pace[first])
        found.append(((across[SPAN:] - across[:-SPAN]) / mean)[points] / waited)
    shares = torch.cat(found)
    if len(shares) < FEWEST:
        return 0.0
    share = float(shares.median())
    # Edges that seem to move so unevenly are not the same edges.
    return share**3 / (share**2 + UPRIGHT**2) if abs(share) < MOST_GROWTH else 0.0


def with_shake(recording: Recording, instants: Sequence[float]) -> Recording:
    """Return a recording that knows the camera's path about the frames nearest to instants."""
    paths = {}
    for frame in sorted({recording.frames_near(instant)[0] for instant in instants}):
        path = find_shake(*_sightings(recording, frame))
        if path is not None:
            paths[frame] = path
    order = min(recording.order, WITH_PATH) if paths else recording.order
    return replace(recording, paths=paths, order=order)


def misalignment(recording: Recording, first: int) -> torch.Tensor:
    """Return by how much [2] px the second frame of a pair is displaced against the first.

    Rows that both cameras read at the same time must show the same: what motion of the rows about
    them says of the row in the middle, where the time between vanishes, is the offset.
    """
    flow, trust = recording.flow(first, first + 1)
    gap = elapsed(flow, recording.times, first, first + 1)
    readout = float(recording.times.pace[first].abs()) * flow.shape[1]
    points = (trust > LEAST_TRUST) & (gap.abs() < MEETING * readout)
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


def with_offset(recording: Recording, first: int) -> Recording:
    """Return a recording that knows the offset of the second frame of a pair."""
    offset = recording.times.offset.clone()
    offset[first + 1] = misalignment(recording, first)
    return replace(recording, times=replace(recording.times, offset=offset))


def _trust_at(trust: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return a trust [h, w] where a flow [2, h, w] leads to."""
    return warp(trust[None], flow[None], mode="bilinear")[0]


def _sightings(recording: Recording, frame: int) -> tuple[torch.Tensor, list[Sighting]]:
    """Return when the points of a frame are read [h, w], and where the frames about it see them,
    the closest first."""
    times, size = recording.times, recording.frames.shape[-2:]
    _, y = pixel_grid(recording.frames)
    others = [k for k in range(len(recording.frames)) if 0 < abs(k - frame) <= WINDOW]
    found = []
    for other in sorted(others, key=lambda k: (abs(k - frame), -k)):
        flow, trust = recording.flow(frame, other)
        found.append(Sighting(flow, trust, times.at(other, y + flow[1])))
    return times.at(frame, y).expand(size), found


def _sure_edges(frame: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Return [h, w] bool: where a frame [h, w] has a steep change across, and its flow trust."""
    steep = functional.pad(frame.diff(dim=1).abs(), (0, 1))
    mean = functional.avg_pool2d(steep[None, None], EDGE_BOX, 1, EDGE_BOX // 2)[0, 0]
    return (mean > EDGE) & (trust > SURE)
