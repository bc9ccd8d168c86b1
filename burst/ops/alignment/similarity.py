"""How the camera moved from frame to frame: shift, turn and scale, however large, without features.

Small frames are laid on one of them, starting from their shifts; those that do not fit there are
searched for at all shifts and a fan of turns. What shows too little of that frame is laid on the
mean of those that are placed, so that a long drift is followed without adding up errors. In the end
every frame is laid on the mean of all.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from burst.ops.alignment.mosaic import (
    Mosaic,
    Poses,
    Small,
    make_mosaic,
    make_small,
    poses_of,
    refine,
)
from burst.ops.alignment.motion import shown_part
from burst.ops.alignment.search import search
from burst.ops.alignment.trend import DRIFT, trend

TURNS = range(-45, 46, 5)  # degrees; least squares find what lies between
SCALES = (0.82, 0.9, 1.0, 1.1, 1.22)
ROUNDS, CLOSING = 5, 2
CLEAR = 6.0  # times what chance makes; chance alone reaches 5 among all shifts and turns
PROBE = 8  # frames that fit worst are searched for, so many at a time
BETTER = 1.1  # times as clear as before, for a frame to be moved elsewhere
WEAK = 0.75  # of the median agreement
# An agreement is doubted below so much of the upper quartile's, or where it lacks so many times
# more of 1, and so much: round and repeated things fit nearly as well at wrong places. Frames that
# lie right are doubted now and then, which costs time alone.
DOUBTED, LACKS = 0.95, (2.5, 0.005)
# Deviations by which turned frames must agree better than shifted ones: of camera and coffee cup at
# very-high noise, at rest a wrong turn reached 2.4; turns of 3 degrees gave 3.5 and more.
SURELY = 3.0
DEVIATIONS = 6.0  # by which turns have to exceed shears, which the air makes as well
# In smaller or fewer frames the air, which all of the view shares, looks like a turn.
SMALLEST_TURNED, FEWEST_TURNED = 96, 6  # px; frames
LEAST_TURN = 0.5  # px at the middle of a border; dense registration does not notice less
# Shares of a side that frames do not show in common. Air and vibration of the benchmark lose 1/7.
SHAKEN, DRIFTED = 1 / 5, 1 / 16  # beyond them the camera moved, to and fro or somewhere


@dataclass(frozen=True)
class Found:
    """What is known of the camera, about the mean of the frames (see `ops.alignment.motion`).

    motion  [n, 2, 3] the camera's; where that is smooth in time, what is not is left to the air
    pose    [n, 2, 3] where the frames lie, camera and air together
    turned  whether they turn or scale by more than air explains
    drifts  whether they go somewhere, rather than to and fro
    placed  [n] whether a frame was found at all
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
) -> Found:
    """Find the motion of frames [n, h, w], starting from shifts [n, 2] px against frame `key`.

    `times` [n] are frame numbers; without them the frames follow one another evenly.
    """
    if min(frames.shape[1:]) < SMALLEST_TURNED or len(frames) < FEWEST_TURNED:
        return _nothing(frames)
    small = make_small(frames, valid)
    everything = torch.arange(len(frames), device=frames.device)
    times = everything if times is None else times.to(frames.device)
    start = torch.complex(shifts[:, 0], shifts[:, 1]) / small.factor
    poses = poses_of(torch.ones_like(start), start - start[key])
    first = everything[key : key + 1]
    reference = make_mosaic(small.part(first), poses.part(first))
    poses = refine(small, poses, reference, ROUNDS)
    poses, chance = _search_weakest(small, poses, reference)
    placed = poses.clearness() >= CLEAR * chance
    placed[key] = True
    turned = _is_turned(poses, small, placed, times)
    if turned or not bool(placed.all()) or _go_far(poses, small):
        placed = placed & ~_is_doubtful(poses.agreement, poses.agreement[placed])
        placed[key] = True
    if turned or not bool(placed.all()):
        poses, placed = _grow(small, poses, placed, chance)
        poses = _close(small, poses, placed)
        turned = _is_turned(poses, small, placed, times)
    if turned and not _fits_better(small, poses, placed, still := _lay_still(small, placed)):
        poses, turned = still, False
    if 2 * int(placed.sum()) < len(frames):
        return _nothing(frames)
    return _found(small, poses, placed, turned, times)


def camera_moved(found: Found, size: tuple[int, int]) -> bool:
    """Tell whether the camera moved frames of size (h, w) by more than air and shaking do."""
    if found.turned:
        return True
    _, _, across, down = shown_part(found.motion[found.placed], size, 1.0)
    loss = max(1 - across / size[1], 1 - down / size[0])
    return loss >= (DRIFTED if found.drifts else SHAKEN)


def _nothing(frames: torch.Tensor) -> Found:
    """Return what is found of frames [n, h, w] that show too little to tell: that they stay."""
    still = torch.eye(2, 3).to(frames).expand(len(frames), 2, 3)
    everything = torch.ones(len(frames), dtype=torch.bool, device=frames.device)
    return Found(still, still, turned=False, drifts=False, placed=everything)


def _fan(scales: Sequence[float] = (1.0,)) -> list[complex]:
    """Return all turns of the search, times scales."""
    return [cmath.rect(scale, math.radians(turn)) for scale in scales for turn in TURNS]


def _search_weakest(small: Small, poses: Poses, reference: Mosaic) -> tuple[Poses, float]:
    """Search for the frames that fit worst, until searching helps no more; return the poses and how
    clear chance is."""
    spreads = []
    for numbers in poses.clearness().argsort().split(PROBE):
        better, spread = _search_for(small, poses, numbers, reference, _fan())
        spreads.append(spread)
        if better is None:
            break
        poses = better
    return poses, float(torch.cat(spreads).median())


def _search_for(
    small: Small,
    poses: Poses,
    numbers: torch.Tensor,
    reference: Mosaic,
    turns: Sequence[complex],
) -> tuple[Poses | None, torch.Tensor]:
    """Return the poses with those of some frames [m] replaced where a search finds better ones,
    None where it does not; and how clear chance is for each [m]."""
    part = small.part(numbers)
    there, spread = search(part, reference, turns)
    there = refine(part, there, reference, ROUNDS)
    helped = there.clearness() > BETTER * poses.part(numbers).clearness()
    if not bool(helped.any()):
        return None, spread
    return poses.put(numbers[helped], there.part(helped.nonzero()[:, 0])), spread


def _grow(
    small: Small, poses: Poses, placed: torch.Tensor, chance: float
) -> tuple[Poses, torch.Tensor]:
    """Lay frames on the mean of those that are placed, until no more fits; those first that fit as
    well as what is placed."""
    everything = torch.arange(len(placed), device=placed.device)
    known = poses.agreement[placed]
    while not bool(placed.all()):
        numbers, rest = everything[placed], everything[~placed]
        mosaic = make_mosaic(small.part(numbers), poses.part(numbers))
        nearest = numbers[(rest[:, None] - numbers[None]).abs().argmin(1)]
        tried = refine(small.part(rest), poses.part(nearest), mosaic, ROUNDS)
        fits = tried.clearness() >= CLEAR * chance
        if not bool(fits.any()):
            tried, _ = search(small.part(rest), mosaic, _fan())
            tried = refine(small.part(rest), tried, mosaic, ROUNDS)
            fits = tried.clearness() >= CLEAR * chance
        if not bool(fits.any()):
            break
        surely = fits & ~_is_doubtful(tried.agreement, known)
        if not bool(surely.any()):
            surely = fits & (tried.clearness() >= tried.clearness().quantile(0.75))
        fits = surely
        poses = poses.put(rest[fits], tried.part(fits.nonzero()[:, 0]))
        placed = placed.index_fill(0, rest[fits], True)
    return poses, placed


def _close(small: Small, poses: Poses, placed: torch.Tensor) -> Poses:
    """Lay all placed frames on their mean, and search for those that fit it badly."""
    numbers = placed.nonzero()[:, 0]
    part = small.part(numbers)
    for _ in range(CLOSING):
        own = poses.part(numbers)
        mosaic = make_mosaic(part, own)
        own = _like_others(part, refine(part, own, mosaic, ROUNDS), mosaic)
        weak = (own.agreement < WEAK * own.agreement.median()).nonzero()[:, 0]
        if len(weak):
            better, _ = _search_for(part, own, weak, mosaic, _fan(SCALES))
            own = own if better is None else better
        poses = poses.put(numbers, own)
    return poses


def _like_others(part: Small, poses: Poses, mosaic: Mosaic) -> Poses:
    """Return poses with those replaced that fit a mosaic better where a frame next to them lies:
    round and repeated things are found at wrong turns and shifts as well."""
    doubtful = _is_doubtful(poses.agreement, poses.agreement)
    sure, rest = (~doubtful).nonzero()[:, 0], doubtful.nonzero()[:, 0]
    if not len(rest):
        return poses
    nearest = sure[(rest[:, None] - sure[None]).abs().argmin(1)]
    tried = refine(part.part(rest), poses.part(nearest), mosaic, ROUNDS)
    better = tried.clearness() > BETTER * poses.part(rest).clearness()
    return poses.put(rest[better], tried.part(better.nonzero()[:, 0]))


def _lay_still(small: Small, placed: torch.Tensor) -> Poses:
    """Lay frames on their mean as if the camera had rested but for shifts, as air makes them."""
    nothing = torch.zeros(len(placed), dtype=torch.complex64, device=placed.device)
    poses, numbers = poses_of(torch.ones_like(nothing), nothing), placed.nonzero()[:, 0]
    part = small.part(numbers)
    for _ in range(CLOSING):
        mosaic = make_mosaic(part, poses.part(numbers))
        poses = refine(small, poses, mosaic, ROUNDS, turns=False)
    return poses


def _fits_better(small: Small, poses: Poses, placed: torch.Tensor, still: Poses) -> bool:
    """Return whether placed frames agree more with their mean as they lie than as they lie
    `still`, by more than differences between frames explain."""
    numbers = placed.nonzero()[:, 0]
    part = small.part(numbers)
    gain = torch.zeros(len(numbers), device=placed.device)
    for sign, found in ((1, poses), (-1, still)):
        own = found.part(numbers)
        gain += sign * refine(part, own, make_mosaic(part, own), 0).agreement
    return float(gain.mean()) > SURELY * float(gain.std()) / math.sqrt(len(gain))


def _is_doubtful(agreement: torch.Tensor, usual: torch.Tensor) -> torch.Tensor:
    """Return which agreements [n] are too low beside the usual ones [m] to be believed."""
    if not len(usual):
        return torch.ones_like(agreement, dtype=torch.bool)
    good = usual.quantile(0.75)
    return (agreement < DOUBTED * good) | (1 - agreement > LACKS[0] * (1 - good) + LACKS[1])


def _go_far(poses: Poses, small: Small) -> bool:
    """Tell whether frames lie further apart than air and shaking move them."""
    shift = torch.stack([poses.t.real, poses.t.imag])
    return float((shift.amax(1) - shift.amin(1)).max()) > SHAKEN * min(small.size)


def _is_turned(poses: Poses, small: Small, placed: torch.Tensor, times: torch.Tensor) -> bool:
    """Tell whether frames turn or scale by more than air and noise do, which shear them as well, or
    evenly in time, as air does not."""
    numbers = placed.nonzero()[:, 0]
    own = poses.part(numbers)
    turn = own.z.log()
    turn = turn - turn.mean()
    even = trend(turn, times[numbers], times[numbers])
    least = (LEAST_TURN / small.factor / (min(small.size) / 2)) ** 2
    drifts = (
        float(part.square().mean()) > max(DRIFT * float(whole.square().mean()), least)
        for part, whole in ((even.real, turn.real), (even.imag, turn.imag))
    )
    return any(drifts) or not _is_of_air(turn, own.shear, least)


def _is_of_air(turn: torch.Tensor, shear: torch.Tensor, least: float = 0.0) -> bool:
    """Tell whether turns and scales [n] (logarithms of z) are no larger than air makes them that
    shears frames by [n, 2]."""
    air = (shear - shear.mean(0)).square().mean()
    # Tilts are slopes of a wavefront, which scale frames with twice the variance of their shears
    # and hardly turn them.
    excess = 1 + DEVIATIONS * math.sqrt(4 / max(len(turn), 1))
    seen = turn.imag.square().mean(), turn.real.square().mean() / 2
    return all(float(value) <= max(float(excess * air), least) for value in seen)


def _found(
    small: Small, poses: Poses, placed: torch.Tensor, turned: bool, times: torch.Tensor
) -> Found:
    """Return poses in pixels of the frames, about their mean, and what of them is the camera's."""
    numbers = placed.nonzero()[:, 0]
    own = poses.part(numbers)
    # Where the frame's middle stands, and how it is turned; the mean of both is the reference.
    turn = own.z.log() if turned else torch.zeros_like(own.z)
    middle = -own.t / own.z if turned else -own.t
    turn, back = turn - turn.mean(), torch.exp(-turn.mean())
    middle = (middle - middle.mean()) / back
    # A frame that was not found stands like the one next to it.
    nearest = (times[:, None] - times[numbers][None]).abs().argmin(1)
    smooth_turn, smooth_middle = (trend(part, times[numbers], times) for part in (turn, middle))
    rest = turn - smooth_turn[numbers]
    if not (turned and _is_of_air(rest, own.shear)):
        smooth_turn = turn[nearest]
    left = (middle - smooth_middle[numbers]).abs().square().mean()
    drifts = float(left) < (1 - DRIFT) * float(middle.abs().square().mean())
    if not drifts:
        smooth_middle = middle[nearest]
    return Found(
        _as_motion(smooth_turn, smooth_middle, small),
        _as_motion(turn[nearest], middle[nearest], small),
        turned,
        drifts,
        placed,
    )


def _as_motion(turn: torch.Tensor, middle: torch.Tensor, small: Small) -> torch.Tensor:
    """Return the motion [n, 2, 3] in pixels of the frames whose middle [n] sees that point, turned
    and scaled by exp(turn) [n]."""
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
