"""What the agreeing frames show of the scene, and what is wrong with frames compared with it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from burst.mapped import forget
from burst.ops.frames.agreement import (
    DEVIATION_OF_MAD,
    Pairs,
    band_pass,
    compare,
    shifted,
    turned,
    view_factor,
)
from burst.ops.frames.gains import ALIKE, brightness_ratios, gains_are_significant
from burst.ops.frames.parts import FEWEST, contrasts, differences, spoilt_parts, wrong_rows
from burst.ops.noise import to_linear
from burst.records import Sensor

FRAMES_AT_ONCE = 10
# Of the median agreement. Frames of one scene reach .8 of it at any noise and turned by 10 degrees,
# those of another scene .6 at most; on simulated and real stacks.
AGREES = 0.7
ENTIRE, MOVING = 0.9, 0.5  # of the median agreement; of a frame that seems spoilt
# Loss of contrast that means stray light: in deviations of the others; natural logarithm.
HAZY = (6.0, 0.12)
BRIGHTER = 1.15  # times the usual frame
MOST_HAZY = 0.25  # of the frames
SATURATED_PART = 0.1  # of a frame, more than of others
COARSE_TURNS = tuple(range(-20, 21, 4))  # degrees between two frames that are turned by 10 each
FINE_TURNS, SCALES = (-2, -1, 0, 1, 2), (0.95, 0.975, 1.0, 1.025, 1.05)
CLOSEST = 2  # frames, in time, that a doubtful one is compared with
# Of a frame; with more all of it is left out: the rest adds little, and is hard to align.
MOST_SPOILT = 0.2


@dataclass(frozen=True)
class SmallViews:
    """Small views [n, y, x] of frames, linear; where no pixel of them is saturated [n, y, x]; and
    the share [n] of saturated values of each frame."""

    light: torch.Tensor
    known: torch.Tensor
    clipped: torch.Tensor

    @property
    def unsaturated(self) -> torch.Tensor:
        """Views [n, y, x], NaN where a pixel is saturated."""
        return torch.where(self.known, self.light, torch.nan)

    def of(self, chosen: Sequence[int]) -> SmallViews:
        """Return the views of some frames."""
        which = list(chosen)
        if which == list(range(len(self.light))):
            return self
        return SmallViews(self.light[which], self.known[which], self.clipped[which])


@dataclass(frozen=True)
class Judgement:
    """Which frames are left out.

    reasons  why, by number
    gain     [n] float64
    parts    [y, x] the spoilt parts of views, by number
    divided  whether frames fall into groups that do not agree
    """

    reasons: Mapping[int, str]
    gain: torch.Tensor
    parts: Mapping[int, torch.Tensor]
    divided: bool = False


def small_views(
    frames: np.ndarray, numbers: np.ndarray, sensor: Sensor, device: str = "cpu"
) -> SmallViews:
    """Return small views, on a device, of some frames of [n, h, w] in DN, mapped from a file or
    not."""
    count, factor = len(numbers), view_factor(frames.shape[1], frames.shape[2])
    size = (frames.shape[1] // factor, frames.shape[2] // factor)
    # Made before the loop: small results between large temporary arrays would scatter the heap.
    light = torch.empty((count, *size), device=device)
    known = torch.empty((count, *size), dtype=torch.bool, device=device)
    clipped = torch.empty(count, device=device)
    for first in range(0, count, FRAMES_AT_ONCE):
        chosen = slice(first, first + FRAMES_AT_ONCE)
        linear = to_linear(frames[numbers[chosen]], sensor, device)[:, None]
        light[chosen] = functional.avg_pool2d(linear, factor)[:, 0]
        known[chosen], clipped[chosen] = True, 0.0
        if float(linear.max()) >= 1:
            saturated = (linear >= 1).to(linear)
            known[chosen] = functional.max_pool2d(saturated, factor)[:, 0] == 0
            clipped[chosen] = saturated.mean((1, 2, 3))
        forget(frames)
    return SmallViews(light, known, clipped)


@dataclass(frozen=True)
class SceneModel:
    """What all frames show.

    shapes      [n, y, x] band-passed views of all frames
    references  [n, y, x] linear, what the others show in place of each
    main        [n] which frames agree
    """

    shapes: torch.Tensor
    references: torch.Tensor
    main: torch.Tensor

    def near(self, frame: int, spoilt: Collection[int]) -> list[int]:
        """Return the agreeing frames that are closest in time to one, without the spoilt ones if
        others remain."""
        agreeing = [i for i in self.main.nonzero()[:, 0].tolist() if i != frame]
        whole = [i for i in agreeing if i not in spoilt]
        return sorted(whole or agreeing, key=lambda i: (abs(i - frame), i))[:CLOSEST]


def judge_against(
    views: SmallViews, scene: SceneModel, gain: torch.Tensor, doubtful: list[int], strictness: float
) -> Judgement:
    """Judge doubtful frames, and parts of all frames, by comparing them with what the agreeing ones
    show. `gain` [n] is that of the agreeing frames."""
    gain = gain.clone()
    seen = band_pass(scene.references.nan_to_num(float(scene.references.nanmean())))
    straight = compare(scene.shapes, seen, [(i, i) for i in range(len(seen))]).correlation
    limit = AGREES * strictness * float(straight[scene.main].median())
    difference = differences(views.light, gain, scene.references)
    # What seems spoilt may merely be rotated.
    shown = ~scene.references.isnan()
    spoilt = {
        **wrong_rows(scene.shapes, seen, shown, scene.main),
        **spoilt_parts(difference, scene.main),
    }
    agreement: dict[int, float] = {}
    expected = scene.references.clone()
    for i in sorted({*doubtful, *spoilt}):
        agreement[i], found = _turned_scene(scene, i, spoilt)
        if i in doubtful or agreement[i] > float(straight[i]):
            expected[i] = found
            gain[i] = _gain_against(views.of([i]), found, float(gain[i]))
            difference[i] = differences(views.light[[i]], gain[[i]], found[None])[0]
    parts = dict(spoilt_parts(difference, scene.main))
    seen = band_pass(expected.nan_to_num(float(expected.nanmean())))
    for i, rows in wrong_rows(scene.shapes, seen, ~expected.isnan(), scene.main).items():
        parts[i] = parts.get(i, rows) | rows
    reasons = {**_hazy(views, gain, expected, scene.main), **_flashes(views, gain)}
    for i, agrees in agreement.items():
        part = parts.get(i)
        if part is not None and agrees < limit:
            agrees = _agreement_outside(part, seen[i], scene.shapes[i])
        if agrees < limit:
            reasons[i] = "does not agree with the others: another scene, torn, or covered"
    for i, part in parts.items():
        # Where a frame agrees and yet differs nearly everywhere, the scene itself moves.
        share = float(part.float().mean())
        moves = float(straight[i]) >= limit * ENTIRE / AGREES and share > MOVING
        if share > MOST_SPOILT and not moves:
            reasons.setdefault(i, f"{share:.0%} of it is torn, unread or covered")
    left = {i: parts[i] for i in sorted(parts) if i not in reasons}
    small = {i: part for i, part in left.items() if float(part.float().mean()) <= MOST_SPOILT}
    return Judgement(reasons, gain, small)


def _flashes(views: SmallViews, gain: torch.Tensor) -> dict[int, str]:
    """Return the frames that are brighter and partly saturated; none if many are: a bracket."""
    more = views.clipped - views.clipped.median()
    bright = gain.to(more) > ALIKE * gain.median().to(more)
    flashes = (bright & (more > SATURATED_PART)).nonzero()[:, 0].tolist()
    if len(flashes) > MOST_HAZY * len(gain):
        return {}
    return {i: f"a flash: {float(views.clipped[i]):.0%} of it is saturated" for i in flashes}


def _hazy(
    views: SmallViews, gain: torch.Tensor, expected: torch.Tensor, main: torch.Tensor
) -> dict[int, str]:
    """Return the frames with stray light, which lowers their contrast; none if those are many."""
    even = views.light / gain.to(views.light)[:, None, None]
    contrast = contrasts(even, views.known, expected).log()
    usual = contrast[main & ~contrast.isnan()]
    if len(usual) < FEWEST:
        return {}
    off = contrast - usual.median()
    scatter = DEVIATION_OF_MAD * float((usual - usual.median()).abs().median())
    # Blur lowers contrast as well, but adds no light.
    brighter = gain.to(off) > BRIGHTER * gain.median().to(off)
    hazy = (brighter & (off < -max(HAZY[0] * scatter, HAZY[1]))).nonzero()[:, 0].tolist()
    if len(hazy) > MOST_HAZY * len(off):
        return {}
    return dict.fromkeys(hazy, "light that is not the scene's: a flash, haze or a cloud")


def _turned_scene(
    scene: SceneModel, frame: int, spoilt: Collection[int]
) -> tuple[float, torch.Tensor]:
    """Return a frame's agreement with the scene after the best rotation and scaling, and that scene
    [y, x], taken from the closest frames."""
    own = scene.shapes[[frame]]
    around = scene.references[scene.near(frame, spoilt)]
    best, reference = -1.0, around[0]
    for one in around.nan_to_num(float(around.nanmean())):
        angle = 0.0
        for angles, scales in ((COARSE_TURNS, (1.0,)), (FINE_TURNS, SCALES)):
            tried = [(angle + a, s) for s in scales for a in angles]
            seen = turned(one, [a for a, _ in tried], [s for _, s in tried])
            pairs = compare(own, band_pass(seen), [(0, k) for k in range(len(tried))])
            k = int(pairs.correlation.argmax())
            angle = tried[k][0]
            if float(pairs.correlation[k]) > best:
                best = float(pairs.correlation[k])
                reference = shifted(seen[[k]], -pairs.shift[[k]])[0]
    return best, reference


def _gain_against(view: SmallViews, reference: torch.Tensor, known: float) -> float:
    """Return the gain of one view against its reference; `known` if it hardly differs."""
    still = torch.zeros(1, dtype=torch.long, device=reference.device)
    pair = Pairs(still, still, reference.new_ones(1), still[:, None].expand(1, 2))
    ratio, error = brightness_ratios(view.unsaturated, reference[None], pair)
    off = torch.stack([ratio[0] - math.log(known), torch.zeros_like(ratio[0])])
    return math.exp(float(ratio)) if gains_are_significant(off, float(error)) else known


def _agreement_outside(part: torch.Tensor, seen: torch.Tensor, shape: torch.Tensor) -> float:
    """Return the correlation outside of a part of band-passed views [y, x]."""
    energy = seen[~part].square().sum() * shape[~part].square().sum()
    return float((seen * shape)[~part].sum() / energy.clamp(min=1e-12).sqrt())
