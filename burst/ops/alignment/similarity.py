"""Shift, turn and scale of the camera from frame to frame, however large, without features.

Small frames are placed on one of them, starting from their shifts, and at the end on the mean of
all (`placement`). Turns, scales and drifts count as the camera's where the air cannot explain them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from burst.ops.alignment.mosaic import (
    Poses,
    SmallFrames,
    common_light,
    make_mosaic,
    make_small_frames,
    poses_of,
    refine,
)
from burst.ops.alignment.placement import (
    MIN_SIGNIFICANCE,
    ROUNDS,
    is_doubtful,
    place_rest,
    place_without_turns,
    refine_placed,
    search_weakest,
)
from burst.ops.alignment.trend import DRIFT, nearest, trend

# Standard errors by which turned frames must agree better than shifted ones: of camera and coffee
# cup at very-high noise, a wrong turn reached 2.4 at rest; turns of 3 degrees gave 3.5 and more.
SURELY = 3.0
# Standard deviations by which turns have to exceed shears; the air makes both. Chosen by hand.
DEVIATIONS = 6.0
# In smaller or fewer frames the displacement that the air gives the whole view looks like a turn.
SMALLEST_TURNED, FEWEST_TURNED = 96, 6  # px; frames
LEAST_TURN = 0.5  # px at the middle of a border; dense registration follows less by itself
# Times as much light as without it, that a motion of the camera brings to agree. Of drifts, turns
# and scales the least is 1.17; of 40 frames, one far from the others brings 1.05; bars reach 1.00.
PAYS = 1.01
# Share of the pixels, four times as bright as most, and of the light in them, of empty sky with one
# or two stars: in simulated air 0.02 to 0.07 and 0.7 to 1. Other views with so few reach 0.45.
FEW, MOSTLY = 0.08, 0.6
# Shares of a side that frames do not show in common. Air and vibration of the benchmark lose 1/7.
SHAKEN, DRIFTED = 1 / 5, 1 / 16  # above it the camera moved: to and fro, or in one direction


@dataclass(frozen=True)
class CameraMotion:
    """The camera's motion about the mean of the frames (see `ops.alignment.motion`).

    motion  [n, 2, 3] of the camera alone; where it is smooth in time, the rest is left to the air
    pose    [n, 2, 3] of camera and air together
    turned  whether frames turn or scale by more than air explains
    drifts  whether frames move in one direction rather than to and fro
    placed  [n] whether the frame's place was found
    """

    motion: torch.Tensor
    pose: torch.Tensor
    turned: bool
    drifts: bool
    placed: torch.Tensor


def find_motion(
    frames: torch.Tensor,
    key: int,
    shifts: torch.Tensor,
    valid: torch.Tensor | None = None,
    times: torch.Tensor | None = None,
) -> CameraMotion:
    """Find the motion of frames [n, h, w], starting from shifts [n, 2] px against frame `key`.

    `times` [n] are frame numbers; without them the frames follow one another evenly.
    """
    if min(frames.shape[1:]) < SMALLEST_TURNED or len(frames) < FEWEST_TURNED:
        return _no_motion(frames)
    small = make_small_frames(frames, valid)
    everything = torch.arange(len(frames), device=frames.device)
    times = everything if times is None else times.to(frames.device)
    start = torch.complex(shifts[:, 0], shifts[:, 1]) / small.factor
    poses = poses_of(torch.ones_like(start), start - start[key])
    first = everything[key : key + 1]
    reference = make_mosaic(small.select(first), poses.select(first))
    poses = refine(small, poses, reference, ROUNDS)
    poses, chance = search_weakest(small, poses, reference)
    placed = poses.significance() >= MIN_SIGNIFICANCE * chance
    placed[key] = True
    turned = _is_turned(poses, small, placed, times)
    if turned or not bool(placed.all()) or _lie_far_apart(poses, small):
        placed = placed & ~is_doubtful(poses.agreement, poses.agreement[placed])
        placed[key] = True
    if turned or not bool(placed.all()):
        poses, placed = place_rest(small, poses, placed, chance)
        poses = refine_placed(small, poses, placed)
        turned = _is_turned(poses, small, placed, times)
    if turned and not _fits_better(
        small, poses, placed, still := place_without_turns(small, placed)
    ):
        poses, turned = still, False
    if 2 * int(placed.sum()) < len(frames):
        return _no_motion(frames)
    found = _camera_motion(small, poses, placed, turned, times)
    moved = camera_moved(found, (frames.shape[1], frames.shape[2]))
    return _no_motion(frames) if moved and not _pays(small, poses, placed) else found


def camera_moved(found: CameraMotion, size: tuple[int, int]) -> bool:
    """Return whether the camera moved frames of size (h, w) by more than air and shaking do."""
    if found.turned:
        return True
    # Frames that do not turn show in common what their shifts leave.
    shift = found.motion[found.placed, :, 2]
    apart = shift.amax(0) - shift.amin(0)
    loss = max(float(apart[0]) / size[1], float(apart[1]) / size[0])
    return loss >= (DRIFTED if found.drifts else SHAKEN)


def _no_motion(frames: torch.Tensor) -> CameraMotion:
    """Return the motion of a camera at rest, for frames [n, h, w] that show too little to measure
    it."""
    still = torch.eye(2, 3).to(frames).expand(len(frames), 2, 3)
    everything = torch.ones(len(frames), dtype=torch.bool, device=frames.device)
    return CameraMotion(still, still, turned=False, drifts=False, placed=everything)


def _pays(small: SmallFrames, poses: Poses, placed: torch.Tensor) -> bool:
    """Return whether placed frames agree better by `poses` than by shifts as small as air's: what
    repeats or shows a single edge or star fits at many wrong places as well."""
    numbers = placed.nonzero()[:, 0]
    part, near = small.select(numbers), place_without_turns(small, placed).select(numbers)
    found = common_light(part, poses.select(numbers))
    return found > PAYS * common_light(part, near) and not _is_empty(part)


def _is_empty(small: SmallFrames) -> bool:
    """Return whether frames show next to nothing but one or two stars, which move little."""
    energy = (small.frames.square() * small.counts).mean(0)
    middle = energy.median()
    energy = energy - middle
    bright = energy > 3 * middle
    light = energy[bright].sum() / energy.clamp(min=0).sum().clamp(min=1e-30)
    return float(bright.float().mean()) < FEW and float(light) > MOSTLY


def _fits_better(small: SmallFrames, poses: Poses, placed: torch.Tensor, still: Poses) -> bool:
    """Return whether placed frames agree better with their mean by `poses` than by `still`, by more
    than the scatter among frames explains."""
    numbers = placed.nonzero()[:, 0]
    part = small.select(numbers)
    gain = torch.zeros(len(numbers), device=placed.device)
    for sign, found in ((1, poses), (-1, still)):
        own = found.select(numbers)
        gain += sign * refine(part, own, make_mosaic(part, own), 0).agreement
    return float(gain.mean()) > SURELY * float(gain.std()) / math.sqrt(len(gain))


def _lie_far_apart(poses: Poses, small: SmallFrames) -> bool:
    """Return whether frames lie further apart than air and shaking move them."""
    shift = torch.stack([poses.t.real, poses.t.imag])
    return float((shift.amax(1) - shift.amin(1)).max()) > SHAKEN * min(small.size)


def _is_turned(poses: Poses, small: SmallFrames, placed: torch.Tensor, times: torch.Tensor) -> bool:
    """Return whether the camera turned or scaled the frames: by more than air and noise do, which
    shear frames as well, or evenly in time, which air does not do."""
    numbers = placed.nonzero()[:, 0]
    own = poses.select(numbers)
    turn = own.z.log()
    turn = turn - turn.mean()
    even = trend(turn, times[numbers], times[numbers])
    least = (LEAST_TURN / small.factor / (min(small.size) / 2)) ** 2
    drifts = (
        float(part.square().mean()) > max(DRIFT * float(whole.square().mean()), least)
        for part, whole in ((even.real, turn.real), (even.imag, turn.imag))
    )
    return any(drifts) or not _explained_by_air(turn, own.shear, least)


def _explained_by_air(turn: torch.Tensor, shear: torch.Tensor, least: float = 0.0) -> bool:
    """Return whether turns and scales [n] (logarithms of z) are no larger than those of air whose
    shears of frames are [n, 2]; a variance below `least` always is."""
    air = (shear - shear.mean(0)).square().mean()
    # Tilts are slopes of a wavefront, which scale frames with twice the variance of their shears
    # and hardly turn them.
    excess = 1 + DEVIATIONS * math.sqrt(4 / max(len(turn), 1))
    seen = turn.imag.square().mean(), turn.real.square().mean() / 2
    return all(float(value) <= max(float(excess * air), least) for value in seen)


def _camera_motion(
    small: SmallFrames, poses: Poses, placed: torch.Tensor, turned: bool, times: torch.Tensor
) -> CameraMotion:
    """Return poses in pixels of the frames, about their mean, and the camera's part of them."""
    numbers = placed.nonzero()[:, 0]
    own = poses.select(numbers)
    # The frame's middle and its turn; the mean of both is the reference.
    turn = own.z.log() if turned else torch.zeros_like(own.z)
    middle = -own.t / own.z if turned else -own.t
    turn, back = turn - turn.mean(), torch.exp(-turn.mean())
    middle = (middle - middle.mean()) / back
    # A frame that was not placed gets the pose of the nearest one that was.
    like = nearest(times, times[numbers])
    smooth_turn, smooth_middle = (trend(part, times[numbers], times) for part in (turn, middle))
    rest = turn - smooth_turn[numbers]
    if not (turned and _explained_by_air(rest, own.shear)):
        smooth_turn = turn[like]
    left = (middle - smooth_middle[numbers]).abs().square().mean()
    drifts = float(left) < (1 - DRIFT) * float(middle.abs().square().mean())
    if not drifts:
        smooth_middle = middle[like]
    return CameraMotion(
        _as_motion(smooth_turn, smooth_middle, small),
        _as_motion(turn[like], middle[like], small),
        turned,
        drifts,
        placed,
    )


def _as_motion(turn: torch.Tensor, middle: torch.Tensor, small: SmallFrames) -> torch.Tensor:
    """Return the motion [n, 2, 3], in pixels of the frames, that takes point `middle` [n] of the
    reference to a frame's middle, turned and scaled by exp(turn) [n]."""
    z = torch.exp(turn)
    height, width = small.size
    centre = complex((width * small.factor - 1) / 2, (height * small.factor - 1) / 2)
    shift = centre - z * (centre + middle * small.factor)
    return torch.stack(
        [
            torch.stack([z.real, -z.imag, shift.real], dim=1),
            torch.stack([z.imag, z.real, shift.imag], dim=1),
        ],
        dim=1,
    )
