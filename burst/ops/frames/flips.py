"""Frames that are mirrored or upside down."""

from __future__ import annotations

import torch

from burst.ops.frames.agreement import Pairs, compare

FLIPS = {"mirrored": (2,), "upside down": (1, 2), "mirrored top to bottom": (1,)}  # axes
# Of the usual agreement, by which a mirrored frame agrees better when mirrored back, and the better
# half of usual pairs worse. If a scene looks like its mirror image, nothing is decided.
MIRRORED, BETTER_HALF = 0.1, 0.25
CLEAR = 0.6  # agreement; below it noise decides
STEPS = (1, 4, 16, 64)  # frames between those that are compared
ROUNDS = 5
FEWEST = 6  # frames


def flipped_frames(
    shapes: torch.Tensor, pairs: Pairs, usual: float, least: float
) -> dict[int, str]:
    """Return the frames that agree better with their partners when they are flipped, and how.

    `shapes` [n, y, x] are band-passed views, `usual` is the typical agreement of a pair, and
    `least` the lowest of pairs of one scene. Since a scene may look like its mirror image, the
    difference of the agreement counts, over all partners with which a frame agrees in one of the
    two ways.
    """
    # With few frames a single pair would decide, which air may distort.
    if usual < CLEAR or len(shapes) < FEWEST:
        return {}
    near = torch.isin(pairs.second - pairs.first, torch.tensor(STEPS).to(pairs.first))
    some = pairs.of(near)
    # No correlation exceeds 1: where all pairs nearly reach it, none is better when flipped.
    if float(some.correlation.min()) > 1 - MIRRORED * usual:
        return {}
    numbers = list(zip(some.first.tolist(), some.second.tolist(), strict=True))
    reasons = {}
    for flip, axes in FLIPS.items():
        flipped = compare(shapes.flip(axes), shapes, numbers).correlation
        better = (flipped - some.correlation) / usual
        clear = torch.maximum(flipped, some.correlation) >= least
        if not clear.any() or float(better[clear].quantile(BETTER_HALF)) > -MIRRORED:
            continue
        found = _minority(some.of(clear), better[clear], len(shapes))
        reasons.update(dict.fromkeys(found, flip))
    return reasons


def _minority(pairs: Pairs, better: torch.Tensor, count: int) -> list[int]:
    """Return the frames that are flipped against most others.

    `better` [p] is by how much pairs agree better when one of the two is flipped.
    """
    both, better = pairs.both_ways(), better.repeat(2)
    flipped = torch.zeros(count, dtype=torch.bool, device=better.device)
    # A good frame whose partners happen to be flipped looks flipped too, until they are known.
    for _ in range(ROUNDS):
        counts = (~flipped[both.second]).to(better)
        total = better.new_zeros(count).index_add(0, both.first, counts * better)
        partners = better.new_zeros(count).index_add(0, both.first, counts)
        flipped = total / partners.clamp(min=1) > MIRRORED
    return flipped.nonzero()[:, 0].tolist()
