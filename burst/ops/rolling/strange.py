"""Frames of a moving scene that do not belong to those around: of something else, or flashed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from burst.ops.flow import Match, match
from burst.ops.warp import warp

# Frames two apart agree less than neighbours do: of what neighbours would have to agree.
STRANGE = 0.8
STRANGE_AT_END = 0.6  # where there is no frame beyond to compare with
SUSPECT = 0.9  # of the median; what agrees better is not looked at twice
LEAST_AGREEMENT = 0.5  # correlation; less says nothing of what is between
LONGEST = 3  # frames; more are a scene of their own
FLASH, STEADY = 0.15, 0.05  # natural logarithm of brightness
FINE, COARSE = 64, 4  # px: sides from which on pixels are binned, and by how many
BOX = 9  # px, in which detail differs from the mean
SURE = 0.5  # trust

Matches = dict[tuple[int, int], Match]


def find_strange(grey: np.ndarray) -> tuple[dict[int, str], Matches]:
    """Return why frames of [n, h, w] (0..255) do not belong to those around, by number, and the
    matches of those that do with the next, by their places among them."""
    matches = {(k, k + 1): match(grey[k], grey[k + 1]) for k in range(len(grey) - 1)}
    compared = [_compare(grey[k], grey[k + 1], found) for (k, _), found in matches.items()]
    alike, rise = np.array(compared).reshape(-1, 2).T
    strange = dict.fromkeys(_foreign(grey, alike), "it shows something else than those around it")
    flashes = [k for k in _flashes(rise) if k not in strange]
    strange.update(dict.fromkeys(flashes, "it is brighter or darker than those around it"))
    kept = [k for k in range(len(grey)) if k not in strange]
    if not strange or len(kept) < 2:
        return {}, matches
    joined = {
        (i, i + 1): matches[a, b] if b == a + 1 else match(grey[a], grey[b])
        for i, (a, b) in enumerate(pairwise(kept))
    }
    return strange, joined


def _compare(first: np.ndarray, second: np.ndarray, found: Match) -> tuple[float, float]:
    """Return how well the detail of two frames [h, w] correlates as they are matched, and by how
    much the second is brighter (natural logarithm)."""
    frames = torch.from_numpy(np.stack([first, second]).astype(np.float32))
    seen = torch.stack([frames[0], warp(frames[1:], found.forth[None], mode="bilinear")[0]])
    sure = (found.forth_trust > SURE).float()
    before, after = ((seen * sure).sum((1, 2)) + 1).tolist()
    seen = functional.avg_pool2d(seen[None], COARSE) if min(first.shape) >= FINE else seen[None]
    mean = functional.avg_pool2d(seen, BOX, 1, BOX // 2, count_include_pad=False)
    one, other = (seen - mean)[0]
    spread = float((one.square().sum() * other.square().sum()).sqrt())
    alike = float((one * other).sum()) / spread if spread > 0 else 0.0
    return alike, float(np.log(after / before))


def _flashes(rise: np.ndarray) -> list[int]:
    """Return the frames that are brighter, or darker, than those around, by how brightness rises
    from each to the next."""
    found = [
        k + 1
        for k, (up, down) in enumerate(pairwise(rise))
        if up * down < 0 and min(abs(up), abs(down)) > max(FLASH, 2 * abs(up + down))
    ]
    if len(rise) > LONGEST:
        ends = ((0, rise[0], rise[1:3]), (len(rise), rise[-1], rise[-3:-1]))
        found += [k for k, own, beside in ends if abs(own) > FLASH and max(abs(beside)) < STEADY]
    return found


def _foreign(grey: np.ndarray, alike: np.ndarray) -> list[int]:
    """Return the frames between two that agree better with one another than with them."""
    found: list[int] = []
    pairs = len(alike)
    low = alike < SUSPECT * np.median(alike) if pairs > LONGEST else np.full(pairs, True)
    for before in range(pairs - 1):
        for length in range(1, min(LONGEST, pairs - 1 - before) + 1):
            after = before + length
            if not (low[before] and low[after]) or before in found:
                continue
            ends = grey[before], grey[after + 1]
            across = _compare(*ends, match(*ends))[0]
            if across > LEAST_AGREEMENT and max(alike[[before, after]]) < STRANGE * across:
                found += range(before + 1, after + 1)
                break
    if pairs > LONGEST:
        for frame, own, beside in ((0, 0, (1, 2)), (pairs, -1, (-2, -3))):
            usual = min(alike[i] for i in beside)
            if usual > LEAST_AGREEMENT and alike[own] < STRANGE_AT_END * usual:
                found.append(frame)
    return found
