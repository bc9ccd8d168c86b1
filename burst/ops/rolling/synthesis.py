"""The image of one instant, as a global shutter would have taken it, from frames that rolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from burst.ops.flow import fill
from burst.ops.rolling.recording import Recording
from burst.ops.rolling.unroll import (
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
from burst.ops.warp import pixel_grid

SHORT = 0.4  # of the readout; motion over a shorter time says little of velocity


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
    seen_by = recording.frames_near(instant)
    path = recording.path_about(instant)
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


def _motion(recording: Recording, frame: int, instant: float) -> torch.Tensor:
    """Return trajectories [m, 2, h, w] of the pixels of a frame."""
    times = recording.times
    gaps: list[torch.Tensor] = []
    velocities: list[torch.Tensor] = []
    first_trust = torch.ones(())
    for other in _neighbours(recording, frame, instant):
        flow, trust = recording.flow(frame, other)
        _, y = pixel_grid(flow)
        moved = flow - (times.displaced(other, y + flow[1]) - times.displaced(frame, y))
        gap = elapsed(flow, times, frame, other)
        if recording.paired:
            short = SHORT * abs(float(times.pace[frame])) * flow.shape[1]
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
        middle = sum(times.instant(k, 0.5, flow.shape[1]) for k in (0, 1)) / 2
        now = 1 + recording.gain * (times.at(frame, y) - middle)
        return with_gain(velocities[0][None], gaps[0], recording.gain / now)
    return trajectory(torch.stack(gaps), torch.stack(velocities))


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
