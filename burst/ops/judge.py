"""Which of many different frames show the scene, judged by how they agree with one another.

Air, hands and mounts move frames: agreement is that of small views at the best shift, and where that
fails, turned by some angle.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from burst.ops.agreement import (
    Pairs,
    compare,
    contours,
    neighbours_in_time,
    shifted,
    turned,
    view_factor,
)
from burst.ops.gains import brightness_ratios, gains_matter, solve_gains, usual_gain
from burst.ops.noise import to_linear
from burst.ops.parts import differences, references, spoilt_parts

FRAMES_AT_ONCE = 10
# Of the median agreement. Frames of one scene reach .8 of it at any noise and turned by 10 degrees,
# those of another scene .6 at most; on simulated and real stacks.
AGREES = 0.7
ENTIRE = 0.9  # the same where most of a frame seems spoilt
MIRRORED = 0.1  # of the median agreement, by which a mirrored frame agrees better mirrored back
CLEAR = 0.6  # agreement; below it noise decides which of two ways is better
FLIP_STEPS = (1, 4, 16, 64)  # frames between those that are compared mirrored
FLIP_ROUNDS = 5
FEW_LINKS = 0.5  # of the median share of partners with which a frame agrees
MAJORITY = 2.0  # times as many frames as in the next group
COARSE_TURNS = tuple(range(-20, 21, 4))  # degrees between two frames that are turned by 10 each
FINE_TURNS, SCALES = (-2, -1, 0, 1, 2), (0.95, 0.975, 1.0, 1.025, 1.05)
CLOSEST = 2  # frames, in time, that a doubtful one is compared with
FLIPS = {"mirrored": (2,), "upside down": (1, 2), "mirrored top to bottom": (1,)}  # axes
DARK, SATURATED = 0.05, 0.7  # of the usual brightness; of a frame's values
MOST_SPOILT = 0.5  # of a frame; with more all of it is left out


@dataclass(frozen=True)
class Views:
    """Small views [n, y, x] of frames, linear; which of their values are not saturated; the share
    [n] of saturated values of the frames."""

    light: torch.Tensor
    known: torch.Tensor
    clipped: torch.Tensor

    def of(self, chosen: Sequence[int]) -> Views:
        """Return the views of some frames."""
        which = list(chosen)
        return Views(self.light[which], self.known[which], self.clipped[which])


@dataclass(frozen=True)
class Judged:
    """Why frames are left out, by number; gain [n] float64; spoilt parts [y, x] of views, by
    number; whether frames fall into groups that do not agree."""

    reasons: Mapping[int, str]
    gain: torch.Tensor
    parts: Mapping[int, torch.Tensor]
    divided: bool = False


def look(frames: np.ndarray, black: float, white: float, device: str = "cpu") -> Views:
    """Return small views, on a device, of frames [n, h, w] in DN, mapped from a file or not."""
    factor = view_factor(frames.shape[1], frames.shape[2])
    light, known, clipped = [], [], []
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        chunk = frames[first : first + FRAMES_AT_ONCE]
        linear = to_linear(chunk, black, white, device)[:, None]
        saturated = (linear >= 1).to(linear)
        light.append(functional.avg_pool2d(linear, factor)[:, 0])
        known.append(functional.max_pool2d(saturated, factor)[:, 0] == 0)
        clipped.append(saturated.mean((1, 2, 3)))
    return Views(torch.cat(light), torch.cat(known), torch.cat(clipped))


def judge(views: Views, strictness: float) -> Judged:
    """Judge frames that are all different; see `Judged`."""
    reasons = _without_light(views)
    count = len(views.light)
    seen = [i for i in range(count) if i not in reasons]
    gain = torch.ones(count, dtype=torch.float64)
    if len(seen) < 2:
        return Judged(reasons, gain, {})
    found = _agree(views.of(seen), strictness)
    gain[seen] = found.gain
    reasons.update({seen[i]: reason for i, reason in found.reasons.items()})
    return Judged(reasons, gain, {seen[i]: p for i, p in found.parts.items()}, found.divided)


def _without_light(views: Views) -> dict[int, str]:
    """Return the frames that show nothing: dark or all white, where others are not."""
    brightness, white = views.light.mean((1, 2)), views.clipped > SATURATED
    if bool(white.all()):
        return {}
    usual = float(brightness[~white].quantile(0.75))
    reasons = {i: "saturated" for i in white.nonzero()[:, 0].tolist()}
    # The usual light itself has to be clear: a sky at the black level is not dark by mistake.
    if usual > 0.01:
        for i in (brightness < DARK * usual).nonzero()[:, 0].tolist():
            reasons[i] = "dark"
    return reasons


def _agree(views: Views, strictness: float) -> Judged:
    """Judge frames that all show something."""
    count = len(views.light)
    shapes = contours(views.light)
    pairs = compare(shapes, shapes, neighbours_in_time(count))
    both = pairs.both_ways()
    best = shapes.new_zeros(count).scatter_reduce(0, both.first, both.correlation, "amax")
    limit = AGREES * strictness * float(best.median())
    reasons = _flipped(shapes, pairs, limit)
    straight = torch.tensor([i not in reasons for i in range(count)], device=shapes.device)
    linked = pairs.of((pairs.correlation >= limit) & straight[pairs.first] & straight[pairs.second])
    groups = _groups(linked, count)
    gain = torch.ones(count, dtype=torch.float64)
    if sum(map(len, groups[1:2])) * MAJORITY > len(groups[0]):
        # No group speaks for the scene.
        return Judged(reasons, gain, {}, divided=True)
    main = _well_linked(groups[0], pairs, linked, count)
    linked = linked.of(main[linked.first] & main[linked.second])
    gain[main.cpu()] = _gains(views, linked, main.nonzero()[:, 0])
    scene = _Scene(shapes, references(views.light, gain, linked), main)
    doubtful = (~main & straight).nonzero()[:, 0].tolist()
    found = _against(views, scene, gain, doubtful, strictness)
    return replace(found, reasons={**reasons, **found.reasons})


def _flipped(shapes: torch.Tensor, pairs: Pairs, limit: float) -> dict[int, str]:
    """Return the frames that agree better with their partners when they are flipped.

    A scene may look much like its mirror image: what counts is the difference, over all partners
    with which a frame agrees in one of the two ways.
    """
    if limit < AGREES * CLEAR:
        return {}
    near = torch.isin(pairs.second - pairs.first, torch.tensor(FLIP_STEPS).to(pairs.first))
    some = pairs.of(near)
    numbers = list(zip(some.first.tolist(), some.second.tolist(), strict=True))
    reasons = {}
    for flip, axes in FLIPS.items():
        flipped = compare(shapes.flip(axes), shapes, numbers).correlation
        better = (flipped - some.correlation) / (limit / AGREES)
        clear = torch.maximum(flipped, some.correlation) >= limit
        found = _minority(some.of(clear), better[clear], len(shapes))
        reasons.update(dict.fromkeys(found, flip))
    return reasons


def _minority(pairs: Pairs, better: torch.Tensor, count: int) -> list[int]:
    """Return the frames that are flipped against most, if pairs agree `better` [p] when one of the
    two is flipped."""
    both, better = pairs.both_ways(), better.repeat(2)
    flipped = torch.zeros(count, dtype=torch.bool, device=better.device)
    # A good frame whose partners happen to be flipped looks flipped too, until they are known.
    for _ in range(FLIP_ROUNDS):
        counts = (~flipped[both.second]).to(better)
        total = better.new_zeros(count).index_add(0, both.first, counts * better)
        partners = better.new_zeros(count).index_add(0, both.first, counts)
        flipped = total / partners.clamp(min=1) > MIRRORED
    return flipped.nonzero()[:, 0].tolist()


def _groups(linked: Pairs, count: int) -> list[list[int]]:
    """Return groups of frames that agree, directly or through others; the largest first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    i, j = linked.first.cpu().numpy(), linked.second.cpu().numpy()
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    groups = [np.flatnonzero(label == k).tolist() for k in range(label.max() + 1)]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def _well_linked(group: list[int], pairs: Pairs, linked: Pairs, count: int) -> torch.Tensor:
    """Return which frames [n] of a group agree with as many of their partners as is usual in it.

    Those that do not may be linked by what spoils them, as the edge of what was read.
    """
    main = torch.zeros(count, dtype=torch.bool, device=pairs.first.device)
    main[group] = True
    tried, found = (torch.bincount(p.both_ways().first, minlength=count) for p in (pairs, linked))
    share = found / tried.clamp(min=1)
    return main & (share >= FEW_LINKS * share[main].median())


def _gains(views: Views, linked: Pairs, members: torch.Tensor) -> torch.Tensor:
    """Return the gain [m], float64, of the members of a group that pairs link; 1 if all are alike."""
    place = torch.full((len(views.light),), -1, device=members.device)
    place[members] = torch.arange(len(members), device=members.device)
    ratio, error = brightness_ratios(views.light, views.known, views.light, linked)
    inside = replace(linked, first=place[linked.first], second=place[linked.second])
    log_gain, typical = solve_gains(ratio, error, inside, len(members))
    if not gains_matter(log_gain, typical):
        return torch.ones_like(log_gain)
    return (log_gain - usual_gain(log_gain, views.clipped[members].double().cpu())).exp()


@dataclass(frozen=True)
class _Scene:
    """Contours [n, y, x] of all frames, what the others show in place of each [n, y, x], linear,
    and which frames `main` [n] agree."""

    shapes: torch.Tensor
    references: torch.Tensor
    main: torch.Tensor

    def near(self, frame: int, spoilt: Collection[int]) -> list[int]:
        """Return the agreeing frames that are closest in time to one; not the spoilt ones, if it
        can be helped."""
        agreeing = [i for i in self.main.nonzero()[:, 0].tolist() if i != frame]
        whole = [i for i in agreeing if i not in spoilt]
        return sorted(whole or agreeing, key=lambda i: (abs(i - frame), i))[:CLOSEST]


def _against(
    views: Views, scene: _Scene, gain: torch.Tensor, doubtful: list[int], strictness: float
) -> Judged:
    """Judge doubtful frames, and parts of all, against what the agreeing ones show.

    `gain` is that of the agreeing ones.
    """
    gain = gain.clone()
    seen = contours(scene.references.nan_to_num(float(scene.references.nanmean())))
    straight = compare(scene.shapes, seen, [(i, i) for i in range(len(seen))]).correlation
    limit = AGREES * strictness * float(straight[scene.main].median())
    difference = differences(views.light, gain, scene.references)
    # What seems spoilt may merely be turned.
    spoilt = spoilt_parts(difference, scene.main)
    agreement: dict[int, float] = {}
    found: dict[int, torch.Tensor] = {}
    for i in (*doubtful, *spoilt):
        agreement[i], found[i] = _turned_scene(scene, i, spoilt)
        if i in doubtful or agreement[i] > float(straight[i]):
            gain[i] = _gain_against(views.of([i]), found[i], float(gain[i]))
            difference[i] = differences(views.light[[i]], gain[[i]], found[i][None])[0]
    parts = spoilt_parts(difference, scene.main)
    reasons = {}
    large = {i for i, part in parts.items() if float(part.float().mean()) > MOST_SPOILT}
    for i, agrees in agreement.items():
        if i in parts and agrees < limit:
            agrees = _agreement_outside(parts[i], found[i], scene.shapes[i])
        if agrees < limit * (1 if i not in large else ENTIRE / AGREES):
            reasons[i] = "does not agree with the others: another scene, torn, or covered"
    # A frame that agrees and yet differs nearly everywhere has no part that is better than others.
    left = parts.keys() - reasons.keys() - large
    return Judged(reasons, gain, {i: parts[i] for i in sorted(left)})


def _turned_scene(scene: _Scene, frame: int, spoilt: Collection[int]) -> tuple[float, torch.Tensor]:
    """Return how a frame agrees with the scene as the closest frames have it, turned and scaled as
    is best, and what that shows [y, x] in its place."""
    own = scene.shapes[[frame]]
    around = scene.references[scene.near(frame, spoilt)]
    best, reference = -1.0, around[0]
    for one in around.nan_to_num(float(around.nanmean())):
        angle = 0.0
        for angles, scales in ((COARSE_TURNS, (1.0,)), (FINE_TURNS, SCALES)):
            tried = [(angle + a, s) for s in scales for a in angles]
            seen = turned(one, [a for a, _ in tried], [s for _, s in tried])
            pairs = compare(own, contours(seen), [(0, k) for k in range(len(tried))])
            k = int(pairs.correlation.argmax())
            angle = tried[k][0]
            if float(pairs.correlation[k]) > best:
                best = float(pairs.correlation[k])
                reference = shifted(seen[[k]], -pairs.shift[[k]])[0]
    return best, reference


def _gain_against(view: Views, reference: torch.Tensor, known: float) -> float:
    """Return the gain of one view against what it should show; `known` if it hardly differs."""
    still = torch.zeros(1, dtype=torch.long, device=reference.device)
    pair = Pairs(still, still, reference.new_ones(1), still[:, None].expand(1, 2))
    ratio, error = brightness_ratios(view.light, view.known, reference[None], pair)
    off = torch.stack([ratio[0] - math.log(known), torch.zeros_like(ratio[0])])
    return math.exp(float(ratio)) if gains_matter(off, float(error)) else known


def _agreement_outside(part: torch.Tensor, reference: torch.Tensor, shape: torch.Tensor) -> float:
    """Return how contours [y, x] agree with a reference outside of a part [y, x]."""
    seen = contours(reference.nan_to_num(float(reference.nanmean()))[None])[0]
    energy = seen[~part].square().sum() * shape[~part].square().sum()
    return float((seen * shape)[~part].sum() / energy.clamp(min=1e-12).sqrt())
