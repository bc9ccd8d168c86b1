"""Find frames of a moving scene that do not belong to those around: another scene, or a flash."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from burst.ops.flow import Match, chain, match
from burst.ops.warp import warp

# Neighbours agree better than frames two apart. A frame is foreign that agrees with its neighbours
# less than this share of their agreement with each other. These numbers were chosen by hand; the
# tests hold them on simulated recordings of nine frames, good and spoilt.
FOREIGN = 0.8
FOREIGN_AT_END = 0.6  # the same for the first and last frame, against the usual agreement
SUSPICIOUS = 0.9  # of the median agreement; frames that agree better are not examined
MIN_AGREEMENT = 0.5  # correlation; with less between the neighbours nothing is decided
LONGEST = 3  # frames in a row; more are a scene of their own
FLASH, STEADY = 0.15, 0.05  # natural logarithm of brightness
FINE, COARSE = 64, 4  # px: sides from which on pixels are binned, and by how many
BOX = 9  # px; detail is the difference to the mean over this box
RETURNS = 2.0  # px; motion forth and back that ends nearer to where it began counts

Matches = dict[tuple[int, int], Match]


def find_foreign_frames(grey: np.ndarray) -> tuple[dict[int, str], Matches]:
    """Find frames of [n, h, w] (0..255) that do not belong to those around. Returns why, by number,
    and the matches of each frame that belongs with the next one, by their places among those
    frames."""
    matches = {(k, k + 1): match(grey[k], grey[k + 1]) for k in range(len(grey) - 1)}
    compared = [_compare(grey[k], grey[k + 1], found) for (k, _), found in matches.items()]
    agreement, rise = np.array(compared).reshape(-1, 2).T
    foreign = dict.fromkeys(
        _foreign_frames(grey, agreement), "it shows something else than those around it"
    )
    flashes = [k for k in _flashed_frames(rise) if k not in foreign]
    foreign.update(dict.fromkeys(flashes, "it is brighter or darker than those around it"))
    kept = [k for k in range(len(grey)) if k not in foreign]
    if not foreign or len(kept) < 2:
        return {}, matches
    joined = {
        (i, i + 1): matches[a, b] if b == a + 1 else match(grey[a], grey[b])
        for i, (a, b) in enumerate(pairwise(kept))
    }
    return foreign, joined


def _compare(first: np.ndarray, second: np.ndarray, found: Match) -> tuple[float, float]:
    """Compare two frames [h, w] after aligning them by their match `found`. Returns the correlation
    of their detail, and the natural logarithm of how many times brighter the second is."""
    frames = torch.from_numpy(np.stack([first, second]).astype(np.float32))
    seen = torch.stack([frames[0], warp(frames[1:], found.forth[None], mode="bilinear")[0]])
    # Motion leads back even into what is missing, which it must not be trusted to show.
    sure = (torch.hypot(*chain(found.forth, found.back)) < RETURNS).float()
    before, after = ((seen * sure).sum((1, 2)) + 1).tolist()
    seen = functional.avg_pool2d(seen[None], COARSE) if min(first.shape) >= FINE else seen[None]
    mean = functional.avg_pool2d(seen, BOX, 1, BOX // 2, count_include_pad=False)
    one, other = (seen - mean)[0]
    spread = float((one.square().sum() * other.square().sum()).sqrt())
    agreement = float((one * other).sum()) / spread if spread > 0 else 0.0
    return agreement, float(np.log(after / before))


def _flashed_frames(rise: np.ndarray) -> list[int]:
    """Return the frames that are brighter or darker than those around. `rise` [n - 1] is the log
    ratio of each frame's brightness to that of the one before."""
    found = [
        k + 1
        for k, (up, down) in enumerate(pairwise(rise))
        if up * down < 0 and min(abs(up), abs(down)) > max(FLASH, 2 * abs(up + down))
    ]
    if len(rise) > LONGEST:
        ends = (
            (0, rise[0], rise[1:3]),
            (len(rise), rise[-1], rise[-3:-1]),
        )
        found += [k for k, own, beside in ends if abs(own) > FLASH and max(abs(beside)) < STEADY]
    return found


def _foreign_frames(grey: np.ndarray, agreement: np.ndarray) -> list[int]:
    """Return the frames whose neighbours on both sides agree better with each other than with them.
    `agreement` [n - 1] is the correlation of each frame with the next."""
    found: list[int] = []
    pairs = len(agreement)
    low = agreement < SUSPICIOUS * np.median(agreement) if pairs > LONGEST else np.full(pairs, True)
    for before in range(pairs - 1):
        for length in range(1, min(LONGEST, pairs - 1 - before) + 1):
            after = before + length
            if not (low[before] and low[after]) or before in found:
                continue
            ends = grey[before], grey[after + 1]
            across = _compare(*ends, match(*ends))[0]
            if across > MIN_AGREEMENT and max(agreement[[before, after]]) < FOREIGN * across:
                found += range(before + 1, after + 1)
                break
    if pairs > LONGEST:
        for frame, own, beside in ((0, 0, (1, 2)), (pairs, -1, (-2, -3))):
            usual = min(agreement[i] for i in beside)
            if usual > MIN_AGREEMENT and agreement[own] < FOREIGN_AT_END * usual:
                found.append(frame)
    return found
