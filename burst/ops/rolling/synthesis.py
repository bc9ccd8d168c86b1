"""The image of one instant, as a global shutter takes it, from frames of a rolling shutter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.nn import functional

from burst.ops.flow import fill
from burst.ops.rolling.recording import Recording
from burst.ops.rolling.unroll import (
    FrameSampling,
    blend,
    choose_trajectories,
    elapsed,
    frame_sampling,
    inside_frame,
    sample,
    trajectories_at,
    trajectory,
    velocity_mismatch,
    visibility,
    with_velocity_growth,
)
from burst.ops.warp import pixel_grid

MIN_GAP = 0.4  # of the readout; over shorter times flow measures little of velocity; by hand
KNOWN = 0.5  # share of a sample that is not saturated
LEAST_VISIBLE = 0.1  # certainty that a frame shows a point; flat from .1 to .5 on real images


@dataclass(frozen=True)
class InstantImage:
    """The image of an instant, and what each of k frames alone shows of it, the closest first.

    image     [c, h, w] merged
    images    [k, c, h, w] of each frame alone
    later     [k, h, w] frame times after the instant at which a frame saw the point
    trust     [k, h, w] how likely a frame shows the point
    velocity  [2, h, w] px a frame time of the points
    """

    image: torch.Tensor
    images: torch.Tensor
    later: torch.Tensor
    trust: torch.Tensor
    velocity: torch.Tensor


def image_at(
    recording: Recording, planes: Callable[[int], torch.Tensor], instant: float
) -> InstantImage:
    """Return the image of an instant; `planes` gives a frame's planes [c, h, w].

    Every frame near the instant proposes trajectories; each pixel takes those by which the frames
    agree best. All frames are then sampled once, from the recorded values, and averaged: a frame
    counts more the closer in time it saw the pixel, and less where something hides the point.
    """
    if not recording.matches:
        return _single_frame(recording, planes(0), instant)
    near = recording.frames_near(instant)
    shake = recording.shake_near(instant)
    recording = replace(recording, times=replace(recording.times, shake=shake))
    times = recording.times
    motions = {k: motion_of(recording, k, instant) for k in near}
    carried = [trajectories_at(motions[k], times, k, instant) for k in near]
    motion = choose_trajectories(carried, recording.frames, times, near, instant)
    samplings = [frame_sampling(motion, times, k, instant) for k in near]
    images = torch.stack([sample(planes(k), v) for k, v in zip(near, samplings, strict=True)])
    visible = visibility(images, torch.stack(_occlusion(recording, motion, motions, samplings)))
    inside = torch.stack([inside_frame(seen) for seen in samplings])
    shown = ((visible * inside).amax(0) > LEAST_VISIBLE).to(images)
    # One pixel beyond an edge its mirror image is as good.
    shown = functional.max_pool2d(shown[None], 3, 1, 1)[0]
    usable = torch.ones(len(near), 1, 1, 1)
    if recording.usable is not None:
        pairs = zip(near, samplings, strict=True)
        usable = torch.stack([sample(recording.usable[k], v, "bilinear") for k, v in pairs])
        usable = usable.clamp(0, 1)
    known = (usable * inside[:, None]).amax(0) >= KNOWN * inside.amax(0)
    visible = visible * usable.amin(1)
    merged = _beyond_saturation(blend(images, samplings, visible), known)
    return InstantImage(
        # What no frame shows is filled from around it. The mirrored edge, or what hides the point,
        # is further from the truth: by .2 dB of the whole image on twelve real ones.
        fill(merged, shown),
        images,
        torch.stack([seen.later for seen in samplings]),
        visible * inside,
        motion[0] + times.velocity_at(instant),
    )


def _beyond_saturation(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return an image [c, h, w] whose regions that are not `known` [c, h, w] are as bright as their
    brightest pixel. Rows that are exposed longer saturate at less light: a bright surface is known
    best where it was read first, and all of it is taken to be as bright."""
    if known.all():
        return image
    filled = image.clone()
    for plane, there in zip(filled, known, strict=True):
        count, regions = cv2.connectedComponents((~there).numpy().astype(np.uint8))
        where = torch.from_numpy(regions).long().flatten()
        brightest = torch.zeros(count).scatter_reduce(0, where, plane.flatten(), "amax")
        plane.copy_(torch.where(there, plane, brightest[where].reshape(plane.shape)))
    return filled


def _single_frame(recording: Recording, image: torch.Tensor, instant: float) -> InstantImage:
    """Return one frame [c, h, w] as the image of an instant, as if nothing moved."""
    _, y = pixel_grid(image)
    later = (recording.times.at(0, y) - instant).expand(image.shape[-2:])
    usable = torch.ones_like(image) if recording.usable is None else recording.usable[0]
    still = torch.zeros(2, *image.shape[-2:])
    filled = _beyond_saturation(image, usable > KNOWN)
    return InstantImage(filled, image[None], later[None], usable.amin(0)[None], still)


def _occlusion(
    recording: Recording,
    motion: torch.Tensor,
    motions: Mapping[int, torch.Tensor],
    samplings: Sequence[FrameSampling],
) -> list[torch.Tensor]:
    """Return for each frame [h, w] whether something hides the point: 0 no, 1 and above yes. The
    frame then shows something that moves otherwise and is found again in the next frame, while
    another frame shows at that point what is not found again."""
    found = [
        sample(_trust_of(recording, k)[None], v, "bilinear")[0].clamp(0, 1)
        for k, v in zip(motions, samplings, strict=True)
    ]
    hidden = []
    for i, (k, seen) in enumerate(zip(motions, samplings, strict=True)):
        others = torch.stack([trust for j, trust in enumerate(found) if j != i])
        mismatch = velocity_mismatch(seen, motion, motions[k][0])
        hidden.append(mismatch * found[i] * (1 - others.amin(0)))
    return hidden


def _trust_of(recording: Recording, frame: int) -> torch.Tensor:
    """Return the trust [h, w] of a frame's flow to the next frame, or to the one before."""
    other = frame + 1 if (frame, frame + 1) in recording.matches else frame - 1
    return recording.flow(frame, other)[1]


def motion_of(recording: Recording, frame: int, instant: float) -> torch.Tensor:
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
            short = MIN_GAP * abs(float(times.pace[frame])) * flow.shape[1]
            certain = gap.square() / (gap.square() + short**2)
            trust = trust * certain
            velocity = fill(moved * gap / (gap.square() + 1e-12), trust)
        elif velocities:
            # Unknown acceleration is interpolated from around, rather than unknown velocity.
            extra = moved / gap - velocities[0]
            velocity = velocities[0] + fill(extra, trust * first_trust)
        else:
            first_trust, velocity = trust, fill(moved / gap, trust)
        gaps.append(gap)
        velocities.append(velocity)
    if recording.growth and len(gaps) == 1:
        middle = sum(times.instant(k, 0.5, flow.shape[1]) for k in (0, 1)) / 2
        now = 1 + recording.growth * (times.at(frame, y) - middle)
        return with_velocity_growth(velocities[0][None], gaps[0], recording.growth / now)
    return trajectory(torch.stack(gaps), torch.stack(velocities))


def _neighbours(recording: Recording, frame: int, instant: float) -> list[int]:
    """Return the frames, as many as the order, that a frame's trajectories pass through."""
    if recording.paired:
        return [frame + 1 - 2 * (frame % 2)]
    height = recording.frames.shape[1]

    def distance(other: int) -> tuple[int, float]:
        away = abs(recording.times.instant(other, 0.5, height) - instant)
        return abs(other - frame), away

    others = [k for k in range(len(recording.frames)) if k != frame]
    return sorted(others, key=distance)[: recording.order]
