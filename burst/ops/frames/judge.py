"""Which of many distinct frames show the scene, judged by their agreement with each other.

Air, hands and mounts move frames: agreement is that of small views at the best shift, and where
that fails, after a rotation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from burst.ops.frames.agreement import Pairs, band_pass, compare, neighbours_in_time
from burst.ops.frames.flips import flipped_frames
from burst.ops.frames.gains import (
    brightness_ratios,
    gains_are_significant,
    reference_gain,
    solve_gains,
)
from burst.ops.frames.parts import references
from burst.ops.frames.scene import AGREES, Judgement, SceneModel, SmallViews, judge_against

# Frames are compared pair by pair, and their gains solved for together: of more frames, groups are
# judged, then what the groups show. The work then grows as the number of frames does.
MOST_TOGETHER = 1000
SHOWING_A_GROUP = 9  # frames in its middle; few, as cameras drift
# Chosen by hand.
FEW_LINKS = 0.5  # of the median share of partners with which a frame agrees
MAJORITY = 2.0  # times as many frames as in the next group
DARK, SATURATED = 0.05, 0.7  # of the usual brightness; of a frame's values


def judge_all(
    count: int, views_of: Callable[[np.ndarray], SmallViews], strictness: float
) -> Judgement:
    """Judge `count` frames that are all distinct, of which `views_of` makes the views of some by
    their numbers: so many successive ones as are judged together, and what each group shows
    against the others."""
    groups = np.array_split(np.arange(count), max(1, -(-count // MOST_TOGETHER)))
    if len(groups) == 1:
        return judge(views_of(groups[0]), strictness)
    judged, shown = [], []
    for group in groups:
        views = views_of(group)
        judged.append(judge(views, strictness))
        shown.append(_view_of(views, judged[-1]))
    return _joined(groups, judged, shown, strictness)


def judge(views: SmallViews, strictness: float) -> Judgement:
    """Judge frames that are all distinct, together; see `Judgement`."""
    reasons = _dark_or_saturated(views)
    count = len(views.light)
    seen = [i for i in range(count) if i not in reasons]
    gain = torch.ones(count, dtype=torch.float64)
    if len(seen) < 2:
        return Judgement(reasons, gain, {})
    found = _judge_lit(views.of(seen), strictness)
    gain[seen] = found.gain
    reasons.update({seen[i]: reason for i, reason in found.reasons.items()})
    return Judgement(reasons, gain, {seen[i]: p for i, p in found.parts.items()}, found.divided)


def _joined(
    groups: list[np.ndarray], judged: list[Judgement], shown: list[SmallViews], strictness: float
) -> Judgement:
    """Return what was judged of the frames of each group, and of what each group shows."""
    whole = SmallViews(
        torch.stack([view.light.mean(0) for view in shown]),
        torch.stack([view.known.all(0) for view in shown]),
        torch.stack([view.clipped.mean() for view in shown]),
    )
    between = judge(whole, strictness)
    reasons: dict[int, str] = {}
    parts: dict[int, torch.Tensor] = {}
    for number, (group, own) in enumerate(zip(groups, judged, strict=True)):
        first = int(group[0])
        parts.update({first + i: part for i, part in own.parts.items()})
        if number in between.reasons:
            reasons.update(dict.fromkeys(group.tolist(), between.reasons[number]))
        reasons.update({first + i: reason for i, reason in own.reasons.items()})
    gain = torch.cat([own.gain * g for own, g in zip(judged, between.gain, strict=True)])
    divided = between.divided or any(own.divided for own in judged)
    left = {i: part for i, part in parts.items() if i not in reasons}
    return Judgement(reasons, gain, left, divided)


def _view_of(views: SmallViews, judged: Judgement) -> SmallViews:
    """Return the views in the middle of a group that are used, divided by their gain."""
    every = range(len(views.light))
    used = [i for i in every if i not in judged.reasons] or list(every)
    begin = max(0, (len(used) - SHOWING_A_GROUP) // 2)
    middle = used[begin : begin + SHOWING_A_GROUP]
    found = views.of(middle)
    gain = judged.gain[middle].to(found.light)[:, None, None]
    return replace(found, light=found.light / gain)


def _dark_or_saturated(views: SmallViews) -> dict[int, str]:
    """Return the frames that show nothing: dark or all white, where others are not."""
    brightness, white = views.light.mean((1, 2)), views.clipped > SATURATED
    if bool(white.all()):
        return {}
    usual = float(brightness[~white].quantile(0.75))
    reasons = dict.fromkeys(white.nonzero()[:, 0].tolist(), "saturated")
    # The usual brightness must be clear: a sky at the black level is no defect.
    if usual > 0.01:
        for i in (brightness < DARK * usual).nonzero()[:, 0].tolist():
            reasons[i] = "dark"
    return reasons


def _judge_lit(views: SmallViews, strictness: float) -> Judgement:
    """Judge frames that are neither dark nor saturated."""
    count = len(views.light)
    shapes = band_pass(views.light)
    pairs = compare(shapes, shapes, neighbours_in_time(count))
    both = pairs.both_ways()
    best = shapes.new_zeros(count).scatter_reduce(0, both.first, both.correlation, "amax")
    usual = float(best.median())
    limit = AGREES * strictness * usual
    reasons = flipped_frames(shapes, pairs, usual, limit)
    straight = torch.ones(count, dtype=torch.bool, device=shapes.device)
    straight[list(reasons)] = False
    linked = pairs.of((pairs.correlation >= limit) & straight[pairs.first] & straight[pairs.second])
    groups = _groups(linked, count)
    if sum(map(len, groups[1:2])) * MAJORITY > len(groups[0]):
        # No group is large enough to define the scene.
        return Judgement(reasons, torch.ones(count, dtype=torch.float64), {}, divided=True)
    main = _well_linked(groups[0], pairs, linked, count)
    linked = linked.of(main[linked.first] & main[linked.second])
    log_gain, error = _log_gains(views, linked, main)
    gain = _gains(log_gain, error, views, main)
    scene = SceneModel(shapes, references(views.light, gain, linked), main)
    doubtful = (~main & straight).nonzero()[:, 0].tolist()
    found = judge_against(views, scene, gain, doubtful, strictness)
    # Only frames that stay decide whether gains differ.
    main[list(found.reasons)] = False
    settled = _gains(log_gain, error, views, main)
    factor = (settled[main.cpu()] / gain[main.cpu()]).median()
    settled = torch.where(main.cpu(), settled, found.gain * factor)
    return replace(found, gain=settled, reasons={**reasons, **found.reasons})


def _groups(linked: Pairs, count: int) -> list[list[int]]:
    """Return the groups of frames that are linked directly or through others; the largest first."""
    i, j = linked.first.cpu().numpy(), linked.second.cpu().numpy()
    label, before = np.arange(count), None
    # Every frame takes the lowest label of those it is linked to, until none changes.
    while before is None or (label != before).any():
        before = label.copy()
        np.minimum.at(label, i, label[j])
        np.minimum.at(label, j, label[i])
        label = label[label]
    groups = [np.flatnonzero(label == k).tolist() for k in np.unique(label)]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def _well_linked(group: list[int], pairs: Pairs, linked: Pairs, count: int) -> torch.Tensor:
    """Return which frames [n] of a group agree with as many of their partners as is usual in it.
    Others may be linked by their defect only, such as the edge of the rows that were read."""
    main = torch.zeros(count, dtype=torch.bool, device=pairs.first.device)
    main[group] = True
    tried, found = (torch.bincount(p.both_ways().first, minlength=count) for p in (pairs, linked))
    share = found / tried.clamp(min=1)
    return main & (share >= FEW_LINKS * share[main].median())


def _log_gains(views: SmallViews, linked: Pairs, main: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the log gain [n], float64, of the main frames, 0 for others, and its typical error."""
    members = main.nonzero()[:, 0]
    place = torch.full((len(main),), -1, device=main.device)
    place[members] = torch.arange(len(members), device=main.device)
    unsaturated = views.unsaturated
    ratio, deviation = brightness_ratios(unsaturated, unsaturated, linked)
    inside = replace(linked, first=place[linked.first], second=place[linked.second])
    log_gain = torch.zeros(len(main), dtype=torch.float64)
    log_gain[members.cpu()], error = solve_gains(ratio, deviation, inside, len(members))
    return log_gain, error


def _gains(
    log_gain: torch.Tensor, error: float, views: SmallViews, main: torch.Tensor
) -> torch.Tensor:
    """Return the gain [n], float64; 1 for all but the main frames, and where gains do
    not differ."""
    gain, chosen = torch.ones_like(log_gain), main.cpu()
    if gains_are_significant(log_gain[chosen], error):
        usual = reference_gain(log_gain[chosen], views.clipped.cpu().double()[chosen])
        gain[chosen] = (log_gain[chosen] - usual).exp()
    return gain
