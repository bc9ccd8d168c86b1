"""Place small frames on the mean of the others, so that a long drift is followed without errors
that add up.

Frames that do not fit where they start are searched for at all shifts and a range of turns. Frames
that show too little of the first reference are placed on the mean of those already placed.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import torch

from burst.ops.alignment.mosaic import (
    Mosaic,
    Poses,
    SmallFrames,
    make_mosaic,
    poses_of,
    refine,
)
from burst.ops.alignment.search import search
from burst.ops.alignment.trend import nearest

TURNS = range(-45, 46, 5)  # degrees; least squares find what lies between
SCALES = (0.82, 0.9, 1.0, 1.1, 1.22)
ROUNDS, FINAL_ROUNDS = 5, 2
# Times the rms significance at wrong places, of which the largest among all shifts and turns is 5.
MIN_SIGNIFICANCE = 6.0
SEARCHED_AT_ONCE = 8  # frames, those that fit worst first
BETTER = 1.1  # a search replaces a pose whose significance it exceeds so many times
WEAK = 0.75  # of the median agreement
# An agreement is doubtful below DOUBTFUL of the upper quartile, or where its difference from 1 is
# more than MISSING[0] times the quartile's, plus MISSING[1]: round and repeated things fit nearly
# as well at wrong places. A correct pose that is called doubtful costs time alone.
DOUBTFUL, MISSING = 0.95, (2.5, 0.005)


def search_weakest(small: SmallFrames, poses: Poses, reference: Mosaic) -> tuple[Poses, float]:
    """Search for the frames that fit worst, group by group, until a group gains nothing.

    Return the poses and the rms significance at wrong places.
    """
    spreads = []
    for numbers in poses.significance().argsort().split(SEARCHED_AT_ONCE):
        better, spread = _search_for(small, poses, numbers, reference, _turns())
        spreads.append(spread)
        if better is None:
            break
        poses = better
    return poses, float(torch.cat(spreads).median())


def place_rest(
    small: SmallFrames, poses: Poses, placed: torch.Tensor, chance: float
) -> tuple[Poses, torch.Tensor]:
    """Place the frames that are not `placed` [n] on the mean of those that are, until none fits.

    `chance` is the rms significance at wrong places. Frames that fit as well as those already
    placed come first. Return the poses and which frames are placed.
    """
    everything = torch.arange(len(placed), device=placed.device)
    known = poses.agreement[placed]
    while not bool(placed.all()):
        numbers, rest = everything[placed], everything[~placed]
        mosaic = make_mosaic(small.select(numbers), poses.select(numbers))
        neighbours = numbers[nearest(rest, numbers)]
        tried = refine(small.select(rest), poses.select(neighbours), mosaic, ROUNDS)
        fits = tried.significance() >= MIN_SIGNIFICANCE * chance
        if not bool(fits.any()):
            tried, _ = search(small.select(rest), mosaic, _turns())
            tried = refine(small.select(rest), tried, mosaic, ROUNDS)
            fits = tried.significance() >= MIN_SIGNIFICANCE * chance
        if not bool(fits.any()):
            break
        clearly = fits & ~is_doubtful(tried.agreement, known)
        if not bool(clearly.any()):
            clearly = fits & (tried.significance() >= tried.significance().quantile(0.75))
        poses = poses.replaced(rest[clearly], tried.select(clearly.nonzero()[:, 0]))
        placed = placed.index_fill(0, rest[clearly], True)
    return poses, placed


def refine_placed(small: SmallFrames, poses: Poses, placed: torch.Tensor) -> Poses:
    """Refine the poses of all placed frames against their mean; search for those that fit badly."""
    numbers = placed.nonzero()[:, 0]
    part = small.select(numbers)
    for _ in range(FINAL_ROUNDS):
        own = poses.select(numbers)
        mosaic = make_mosaic(part, own)
        own = _try_neighbours(part, refine(part, own, mosaic, ROUNDS), mosaic)
        weak = (own.agreement < WEAK * own.agreement.median()).nonzero()[:, 0]
        if len(weak):
            better, _ = _search_for(part, own, weak, mosaic, _turns(SCALES))
            own = own if better is None else better
        poses = poses.replaced(numbers, own)
    return poses


def place_without_turns(small: SmallFrames, placed: torch.Tensor) -> Poses:
    """Return poses of frames that are only shifted, as air shifts them, against the mean of those
    that are placed."""
    nothing = torch.zeros(len(placed), dtype=torch.complex64, device=placed.device)
    poses, numbers = poses_of(torch.ones_like(nothing), nothing), placed.nonzero()[:, 0]
    part = small.select(numbers)
    for _ in range(FINAL_ROUNDS):
        mosaic = make_mosaic(part, poses.select(numbers))
        poses = refine(small, poses, mosaic, ROUNDS, turns=False)
    return poses


def is_doubtful(agreement: torch.Tensor, usual: torch.Tensor) -> torch.Tensor:
    """Return which agreements [n] are too low, compared with the usual ones [m], to be trusted."""
    if not len(usual):
        return torch.ones_like(agreement, dtype=torch.bool)
    good = usual.quantile(0.75)
    return (agreement < DOUBTFUL * good) | (1 - agreement > MISSING[0] * (1 - good) + MISSING[1])


def _search_for(
    small: SmallFrames,
    poses: Poses,
    numbers: torch.Tensor,
    reference: Mosaic,
    turns: Sequence[complex],
) -> tuple[Poses | None, torch.Tensor]:
    """Search for the frames `numbers` [m] at all shifts and the given turns.

    Return the poses with the better ones put in, None if there are none, and for each [m] the rms
    significance at wrong places.
    """
    part = small.select(numbers)
    there, spread = search(part, reference, turns)
    there = refine(part, there, reference, ROUNDS)
    helped = there.significance() > BETTER * poses.select(numbers).significance()
    if not bool(helped.any()):
        return None, spread
    return poses.replaced(numbers[helped], there.select(helped.nonzero()[:, 0])), spread


def _try_neighbours(part: SmallFrames, poses: Poses, mosaic: Mosaic) -> Poses:
    """Replace doubtful poses by one refined from the nearest frame's pose, where that fits better:
    round and repeated things are found at wrong turns and shifts as well."""
    doubtful = is_doubtful(poses.agreement, poses.agreement)
    sure, rest = (~doubtful).nonzero()[:, 0], doubtful.nonzero()[:, 0]
    if not len(rest):
        return poses
    neighbours = sure[nearest(rest, sure)]
    tried = refine(part.select(rest), poses.select(neighbours), mosaic, ROUNDS)
    better = tried.significance() > BETTER * poses.select(rest).significance()
    return poses.replaced(rest[better], tried.select(better.nonzero()[:, 0]))


def _turns(scales: Sequence[float] = (1.0,)) -> list[complex]:
    """Return all turns of the search, times each of the scales."""
    return [cmath.rect(scale, math.radians(turn)) for scale in scales for turn in TURNS]
