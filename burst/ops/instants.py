"""The image of one instant, as a global shutter would have taken it, from frames that rolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.nn import functional

from burst.ops.flow import Match, fill, follow
from burst.ops.shake import Path, Sighting, find_shake
from burst.ops.unroll import (
    Clock,
    View,
    blend,
    carry,
    choose,
    elapsed,
    open_to_view,
    reaches,
    sample,
    strangeness,
    trajectory,
    view,
    with_gain,
)
from burst.ops.warp import pixel_grid, warp

SPAN = 32  # rows, over which an upright edge is followed
EDGE = 8.0  # of 255 a px, over EDGE_BOX: a steep change across
EDGE_BOX = 5  # px
SLOWEST = 5.0  # px a frame time; slower edges say nothing of growth
FEWEST = 1000  # points
UPRIGHT = 0.05  # share of the speed; the growth that slanting edges feign
MOST_GROWTH = 0.8  # share in a frame time; at 1 the velocity would vanish within the recording
SHORT = 0.4  # of the readout; motion over a shorter time says little of velocity
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


def _trust_at(trust: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return a trust [h, w] where a flow [2, h, w] leads to."""
    return warp(trust[None], flow[None], mode="bilinear")[0]


@dataclass(frozen=True)
class Instant:
    """The image [c, h, w] of an instant, and what each of k frames alone says of it, the closest
    first: its image [k, c, h, w], how long after the instant [k, h, w] a point was seen, how surely
    [k, h, w] it is the point that is seen; and the points' velocity [2, h, w] px a frame time."""

    image: torch.Tensor
    images: torch.Tensor
    later: torch.Tensor
    trust: torch.Tensor
    velocity: torch.Tensor


def image_at(
    recording: Recording, planes: Callable[[int], torch.Tensor], instant: float
) -> Instant:
    """Return the image of an instant; `planes` gives a frame's planes [c, h, w].

    Every frame that sees the instant proposes trajectories; each pixel takes those by which the
    frames agree best. All frames are then sampled once, from what was recorded, and averaged by
    how close in time they saw the pixel, without those in which something hides it.
    """
    if not recording.matches:
        return _frame_alone(recording, planes(0), instant)
    seen_by = _frames_near(recording, instant)
    path = path_about(recording, instant)
    recording = replace(recording, times=replace(recording.times, path=path))
    times = recording.times
    motions = {k: _motion(recording, k, instant) for k in seen_by}
    carried = [carry(motions[k], times, k, instant) for k in seen_by]
    motion = choose(carried, recording.frames, times, seen_by, instant)
    views = [view(motion, times, k, instant) for k in seen_by]
    images = torch.stack([sample(planes(k), v) for k, v in zip(seen_by, views, strict=True)])
    opened = open_to_view(images, torch.stack(_hidden(recording, motion, motions, views)))
    if recording.usable is not None:
        usable = [
            sample(recording.usable[k : k + 1], v, "bilinear")[0]
            for k, v in zip(seen_by, views, strict=True)
        ]
        opened = opened * torch.stack(usable).clamp(0, 1)
    return Instant(
        blend(images, views, opened),
        images,
        torch.stack([seen.later for seen in views]),
        opened * torch.stack([reaches(seen) for seen in views]),
        motion[0] + times.velocity_at(instant),
    )


def _frame_alone(recording: Recording, image: torch.Tensor, instant: float) -> Instant:
    """Return what one frame [c, h, w] alone says of an instant: itself, as if nothing moved."""
    _, y = pixel_grid(image)
    later = (recording.times.at(0, y) - instant).expand(image.shape[-2:])
    usable = torch.ones_like(later) if recording.usable is None else recording.usable[0]
    still = torch.zeros(2, *image.shape[-2:])
    return Instant(image, image[None], later[None], usable[None], still)


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
    for frame in sorted({_frames_near(recording, instant)[0] for instant in instants}):
        path = find_shake(*_sightings(recording, frame))
        if path is not None:
            paths[frame] = path
    order = min(recording.order, WITH_PATH) if paths else recording.order
    return replace(recording, paths=paths, order=order)


def path_about(recording: Recording, instant: float) -> Path | None:
    """Return the camera's path about an instant; None where it is not known."""
    return recording.paths.get(_frames_near(recording, instant)[0])


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


def _hidden(
    recording: Recording,
    motion: torch.Tensor,
    motions: Mapping[int, torch.Tensor],
    views: Sequence[View],
) -> list[torch.Tensor]:
    """Return for each view how surely [h, w] something hides the point: 0 not, from 1 on surely.

    What a frame shows in its place moves otherwise, and is found again in the next frame; and some
    other frame shows there what is not found again.
    """
    found = [
        sample(_trust_of(recording, k)[None], v, "bilinear")[0].clamp(0, 1)
        for k, v in zip(motions, views, strict=True)
    ]
    hidden = []
    for i, (k, seen) in enumerate(zip(motions, views, strict=True)):
        others = torch.stack([trust for j, trust in enumerate(found) if j != i])
        strange = strangeness(seen, motion, motions[k][0])
        hidden.append(strange * found[i] * (1 - others.amin(0)))
    return hidden


def _trust_of(recording: Recording, frame: int) -> torch.Tensor:
    """Return the trust [h, w] of a frame's flow to the next, or to the one before."""
    other = frame + 1 if (frame, frame + 1) in recording.matches else frame - 1
    return recording.flow(frame, other)[1]


def _frames_near(recording: Recording, instant: float) -> list[int]:
    """Return the frames that tell of an instant, the closest first."""
    height = recording.frames.shape[1]
    middles = [recording.times.instant(k, 0.5, height) for k in range(len(recording.frames))]
    order = sorted(range(len(middles)), key=lambda k: abs(middles[k] - instant))
    if recording.paired:
        first = order[0] // 2 * 2
        return [first, first + 1]
    return [k for k in order if abs(k - order[0]) <= 1]


def _motion(recording: Recording, frame: int, instant: float) -> torch.Tensor:
    """Return trajectories [m, 2, h, w] of the pixels of a frame."""
    gaps: list[torch.Tensor] = []
    velocities: list[torch.Tensor] = []
    first_trust = torch.ones(())
    for other in _neighbours(recording, frame, instant):
        flow, trust = recording.flow(frame, other)
        _, y = pixel_grid(flow)
        times = recording.times
        moved = flow - (times.displaced(other, y + flow[1]) - times.displaced(frame, y))
        gap = elapsed(flow, times, frame, other)
        if recording.paired:
            short = SHORT * abs(float(recording.times.pace[frame])) * flow.shape[1]
            certain = gap.square() / (gap.square() + short**2)
            trust = trust * certain
            velocity = fill(moved * gap / (gap.square() + 1e-12), trust)
        elif velocities:
            # What is not known of acceleration is taken from around as well, not as velocity.
            extra = moved / gap - velocities[0]
            velocity = velocities[0] + fill(extra, trust * first_trust)
        else:
            first_trust, velocity = trust, fill(moved / gap, trust)
        gaps.append(gap)
        velocities.append(velocity)
    if recording.gain and len(gaps) == 1:
        _, y = pixel_grid(velocities[0])
        middle = sum(recording.times.instant(k, 0.5, flow.shape[1]) for k in (0, 1)) / 2
        now = 1 + recording.gain * (recording.times.at(frame, y) - middle)
        return with_gain(velocities[0][None], gaps[0], recording.gain / now)
    return trajectory(torch.stack(gaps), torch.stack(velocities))


def _sure_edges(frame: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Return [h, w] bool: where a frame [h, w] has a steep change across, and its flow trust."""
    steep = functional.pad(frame.diff(dim=1).abs(), (0, 1))
    mean = functional.avg_pool2d(steep[None, None], EDGE_BOX, 1, EDGE_BOX // 2)[0, 0]
    return (mean > EDGE) & (trust > SURE)


def _neighbours(recording: Recording, frame: int, instant: float) -> list[int]:
    """Return the frames, as many as the order, through which a frame's trajectories run."""
    if recording.paired:
        return [frame + 1 - 2 * (frame % 2)]
    height = recording.frames.shape[1]

    def distance(other: int) -> tuple[int, float]:
        away = abs(recording.times.instant(other, 0.5, height) - instant)
        return abs(other - frame), away

    others = [k for k in range(len(recording.frames)) if k != frame]
    return sorted(others, key=distance)[: recording.order]
