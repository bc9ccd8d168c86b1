"""Parts of frames that show something else than the other frames do there: torn, unread, a bird."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

from burst.ops.agreement import TOE, Pairs, shifted

WINDOW = 5  # px of a view, over which differences are averaged
# A part is spoilt where it differs this many times more than the largest difference of a usual
# frame, covers this share of the frame, and stands out of what the same limit finds in others.
# Chosen on simulated stacks of all levels and on real ones, of which none loses a part.
SPOILT, LEAST_PART, TIMES_USUAL = 2.0, 0.02, 3.0
USUAL = 0.7  # of the frames differ less
FEWEST = 5  # frames that tell what is usual
MARGIN = 2  # px of a view around a spoilt part
CLOSED = 3  # px of a view; smaller holes in a spoilt part are spoilt by chance not seen


def references(light: torch.Tensor, gain: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """Return what partners show in place of each view [n, y, x]: their median, freed of gain.

    `gain` [n]. NaN where no partner reaches, and everywhere where a view has none.
    """
    both = pairs.both_ways()
    even = light / gain.to(light)[:, None, None]
    # first(x + shift) is second(x): seen from the first one, the second lies at x - shift.
    seen = shifted(even[both.second], -both.shift)
    result = torch.full_like(light, torch.nan)
    for i in both.first.unique().tolist():
        result[i] = seen[both.first == i].nanmedian(0).values
    return result


def differences(light: torch.Tensor, gain: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return by how much views [n, y, x], freed of gain [n], differ from their references in the
    root of light, in which shot noise is alike everywhere; 0 where there is no reference."""
    even = light / gain.to(light)[:, None, None]
    toe = TOE * reference.nanmean().clamp(min=1e-6)
    return ((even.clamp(min=0) + toe).sqrt() - (reference.clamp(min=0) + toe).sqrt()).nan_to_num(0)


def spoilt_parts(difference: torch.Tensor, usual: torch.Tensor) -> Mapping[int, torch.Tensor]:
    """Return the spoilt part [y, x] bool of each view of which `difference` [n, y, x] shows one.

    `usual` [n] bool says which frames tell what is usual: differences differ from place to place.
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
    least = max(LEAST_PART, TIMES_USUAL * float(share[usual].quantile(USUAL)))
    return {i: _closed(spoilt[i]) for i in (share > least).nonzero()[:, 0].tolist()}


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
