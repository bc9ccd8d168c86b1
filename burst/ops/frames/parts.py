"""Parts of frames that differ from what the other frames show: torn, unread, a bird."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from burst.ops.frames.agreement import DEVIATION_OF_MAD, TOE, Pairs, shifted

WINDOW = 5  # px of a view, over which differences are averaged
# A part is spoilt where it differs this many times more than the largest difference of a usual
# frame, covers this share of the frame, and exceeds what the same limit finds in others.
# A part that differs by more than PLAIN times the limit may be smaller: a bird.
# Chosen on simulated stacks of all levels and on real ones, of which none loses a part.
SPOILT, LEAST_PART, TIMES_USUAL = 2.0, 0.02, 3.0
PLAIN, LEAST_PLAIN = 1.4, 0.005
USUAL = 0.7  # of the frames differ less
FEWEST = 5  # usual frames, at least
MARGIN = 2  # px of a view around a spoilt part
LEAST_KNOWN = 0.1  # of a view, to measure its contrast
LEAST_ROWS = 0.2  # of a view: the agreement of fewer rows is not judged
# Of the usual agreement: rows that were read wrongly reach less, the others more. Of 1440 good
# frames in strong air none had rows below .8, of 160 torn ones all were below .74. Where
# usual rows do not agree clearly, nothing is judged.
LOST_ROWS, GOOD_ROWS, CLEAR_ROWS = 0.7, 0.8, 0.5
LEAST_SHOWN = 0.5  # of the contrast of those rows
LEAST_CONTRAST = 0.1  # of that of the whole view; in calmer rows air and noise decide (.05 seen)
AIR = 2  # px of a view, by which air may shift rows against the others
DEVIATIONS = 6.0  # of the agreement of usual rows
CLOSED = 3  # px of a view; smaller holes in a spoilt part are closed


def references(light: torch.Tensor, gain: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """Return what the partners of each view [n, y, x] show: their median, divided by gain [n].

    NaN where no partner reaches, and everywhere for a view without partners.
    """
    both = pairs.both_ways()
    even = light / gain.to(light)[:, None, None]
    # first(x + shift) is second(x): seen from the first one, the second lies at x - shift.
    result = torch.full_like(light, torch.nan)
    for i in both.first.unique().tolist():
        own = both.first == i
        result[i] = _nanmedian(shifted(even[both.second[own]], -both.shift[own]))
    return result


def _nanmedian(views: torch.Tensor) -> torch.Tensor:
    """Return the median [y, x] of the values of views [n, y, x] that are not NaN, as `nanmedian`
    does, which takes a CPU twice as long."""
    if views.device.type != "cpu":
        return views.nanmedian(0).values
    ordered = np.sort(views.numpy(), axis=0)  # NaN comes last
    middle = (np.count_nonzero(~np.isnan(ordered), axis=0) - 1).clip(min=0) // 2
    return torch.from_numpy(np.take_along_axis(ordered, middle[None], 0)[0])


def differences(light: torch.Tensor, gain: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the difference of views [n, y, x], divided by gain [n], from their references.

    It is taken of the root of light, in which shot noise is equal everywhere; 0 without a
    reference.
    """
    even = light / gain.to(light)[:, None, None]
    toe = TOE * reference.nanmean().clamp(min=1e-6)
    return ((even.clamp(min=0) + toe).sqrt() - (reference.clamp(min=0) + toe).sqrt()).nan_to_num(0)


def spoilt_parts(difference: torch.Tensor, usual: torch.Tensor) -> Mapping[int, torch.Tensor]:
    """Return the spoilt part [y, x] bool of each view that has one, from `difference` [n, y, x].

    `usual` [n] bool are the frames that define usual differences, which vary over the view.
    """
    if int(usual.sum()) < FEWEST:
        return {}
    typical = difference[usual].abs().median(0).values
    typical = _box(typical[None], 3)[0]
    typical = (typical + 0.5 * typical.mean()).clamp(min=1e-6)
    excess = _box((difference / typical).square(), WINDOW).sqrt()
    limit = SPOILT * excess[usual].amax((1, 2)).median()
    spoilt = excess > limit
    share = spoilt.float().mean((1, 2))
    plain = excess.amax((1, 2)) > PLAIN * limit
    least = torch.where(plain, LEAST_PLAIN, LEAST_PART)
    least = least.clamp(min=TIMES_USUAL * float(share[usual].quantile(USUAL)))
    return {i: _closed(spoilt[i]) for i in (share > least).nonzero()[:, 0].tolist()}


def contrasts(light: torch.Tensor, known: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the contrast [n] of views [n, y, x], divided by gain, relative to their references.

    NaN where too little of a view is `known`. Motion does not matter, since the spread of light in
    view and reference is compared.
    """
    shown = known & ~reference.isnan()
    spread = [_spread(_box(view.nan_to_num(0), WINDOW), shown) for view in (light, reference)]
    enough = shown.float().mean((1, 2)) > LEAST_KNOWN
    return torch.where(enough, spread[0] / spread[1].clamp(min=1e-6), torch.nan)


def wrong_rows(
    shapes: torch.Tensor, seen: torch.Tensor, shown: torch.Tensor, usual: torch.Tensor
) -> Mapping[int, torch.Tensor]:
    """Return the part [y, x] bool of the upper or lower rows of each view that do not agree.

    shapes  [n, y, x] band-passed views
    seen    [n, y, x] what they should show
    shown   [n, y, x] bool, where that is known
    usual   [n] bool, views that define how well rows agree

    Rows that agree after a shift that air may cause are not wrong.
    """
    if int(usual.sum()) < FEWEST:
        return {}
    least = max(1, round(LEAST_ROWS * shapes.shape[1]))
    a, b = shapes * shown, seen * shown
    products = torch.stack([(a * b).sum(2), (a * a).sum(2), (b * b).sum(2), (seen * seen).sum(2)])
    above = products.cumsum(2)[:, :, least - 1 : -least]
    below = products.sum(2, keepdim=True) - above
    whole = products[3].sum(1, keepdim=True)
    (top, above), (bottom, below) = (_relative(side, whole, usual) for side in (above, below))
    found, number = {}, torch.arange(shapes.shape[1], device=shapes.device)
    for lost, rest, middle, upper in ((top, bottom, above, True), (bottom, top, below, False)):
        scatter = DEVIATION_OF_MAD * (lost[usual] - 1).abs().median(0).values
        limit = (1 - DEVIATIONS * scatter).clamp(max=LOST_ROWS)
        wrong = torch.where((lost < limit) & (rest > GOOD_ROWS), rest - lost, 0.0)
        best = wrong.max(1)
        for i in (best.values > 0).nonzero()[:, 0].tolist():
            at = int(best.indices[i])
            row = at + least
            rows = slice(0, row) if upper else slice(row, None)
            if _agreement_nearby(a[i, rows], b[i, rows]) >= float(limit[at] * middle[at]):
                continue
            part = number < row + MARGIN if upper else number >= row - MARGIN
            found[i] = part[:, None].expand(shapes[i].shape)
    return found


def _relative(
    side: torch.Tensor, whole: torch.Tensor, usual: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the agreement [n, r] of the rows on one side of each row, relative to its median over
    usual views, and that median [r]. The relative agreement is 1 where the median is not clear."""
    agreement = side[0] / (side[1] * side[2]).clamp(min=1e-20).sqrt()
    middle = agreement[usual].median(0).values
    known = (middle > CLEAR_ROWS) & (side[2] > LEAST_SHOWN * side[3])
    known &= side[3] > LEAST_CONTRAST * whole
    return torch.where(known, agreement / middle, 1.0), middle


def _agreement_nearby(shape: torch.Tensor, seen: torch.Tensor) -> float:
    """Return the best correlation of a band-passed view [y, x] with what should be `seen` [y, x],
    over shifts of up to AIR px."""
    around = functional.pad(seen[None, None], (AIR,) * 4)
    products = functional.conv2d(around, shape[None, None])
    energy = functional.conv2d(around.square(), torch.ones_like(shape)[None, None])
    return float((products / (energy * shape.square().sum()).clamp(min=1e-20).sqrt()).max())


def _spread(views: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation [n] of views [n, y, x] where they are shown."""
    count = shown.sum((1, 2)).clamp(min=1)
    mean = (views * shown).sum((1, 2)) / count
    return (((views - mean[:, None, None]) * shown).square().sum((1, 2)) / count).sqrt()


def _box(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Average maps [n, y, x] over squares; edges replicate."""
    padded = functional.pad(maps[:, None], (size // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, size, 1)[:, 0]


def _closed(part: torch.Tensor) -> torch.Tensor:
    """Return a part [y, x] with a margin around it and without small holes."""
    grown = _largest(part.float(), MARGIN + CLOSED)
    return -_largest(-grown, CLOSED) > 0.5


def _largest(part: torch.Tensor, reach: int) -> torch.Tensor:
    return functional.max_pool2d(part[None, None], 2 * reach + 1, 1, reach)[0, 0]
