"""Dense motion between two frames, its trust, and filling where it fails.

Flow is [2, h, w] px, channel 0 to the right and 1 down, from a pixel of the first frame to where it
is seen in the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.warp import pixel_grid, warp, within

# Chosen by hand.
PERCENTILES = (0.1, 99.9)  # of all frames, mapped to the 8 bits that DIS takes
TOLERANCE = 2.0, 0.01  # px, and share of the motion, by which forth and back may disagree
PATCH = 9  # px, over which two frames are correlated
SAME_PATCH = 0.7, 0.95  # correlation at which trust is 0, and 1
# Side of the patches of dense inverse search and their distance, px. A search alone takes a wrong
# turn somewhere, in repeated patterns above all, and each somewhere else: on twelve real images of
# rolling shutters the medoid of these three is .2 to .3 dB better than any of them, and five or
# seven searches are no better. More descent and stronger smoothness than usual gain .2 dB more.
SEARCHES = (8, 4), (8, 3), (12, 4)
ONE_SEARCH = SEARCHES[:1]  # for what is measured over whole frames
DESCENTS, REFINEMENTS, SMOOTHNESS = 60, 10, 40.0
SAME_FLOW = 4.0  # px; flows further apart than that are plainly different
OTHER_PATCH = 0.6, 0.9  # share of the variance in which they differ, at which trust is 1, and 0
USUAL_TIMES = 8.0  # the usual difference, noise, is no difference
LEAST_TEXTURE = 2.0  # of 255; patches with less have no significant correlation


@dataclass(frozen=True)
class Match:
    """Motion from one frame to another and back, each [2, h, w] px with its trust [h, w], 0..1."""

    forth: torch.Tensor
    back: torch.Tensor
    forth_trust: torch.Tensor
    back_trust: torch.Tensor

    def reversed(self) -> Match:
        """Return the same match seen from the other frame."""
        return Match(self.back, self.forth, self.back_trust, self.forth_trust)


def to_bytes(frames: torch.Tensor, used: Sequence[int] | None = None) -> np.ndarray:
    """Return frames [n, h, w] scaled to uint8, all with the same range: that of the frames that are
    `used`, of all by default."""
    values = frames.cpu().numpy()
    seen = values if used is None else values[list(used)]
    low, high = np.percentile(seen[:, ::4, ::4], PERCENTILES)
    scale = 255 / max(float(high - low), 1e-6)
    return np.asarray(((values - low) * scale).clip(0, 255), np.uint8)


def match(
    first: np.ndarray, second: np.ndarray, searches: Sequence[tuple[int, int]] = SEARCHES
) -> Match:
    """Return the motion between two frames [h, w] uint8, by dense inverse searches both ways.

    A pixel is trusted where forward and backward motion agree, unless the two patches have nothing
    in common. It is also trusted where the two patches correlate, unless the pixel it leads to
    matches another pixel better: then only its backward motion fails.
    """
    frames = torch.from_numpy(np.stack([first, second]).astype(np.float32))
    flows = torch.stack(
        [_dense_inverse_search(a, b, searches) for a, b in ((first, second), (second, first))]
    )
    there = _inside(flows)
    others = flows.flip(0)
    round_trip = flows + _sampled_at(others, flows)
    allowed = TOLERANCE[0] + TOLERANCE[1] * torch.hypot(*flows.unbind(1))
    closed = there * torch.exp(-((torch.hypot(*round_trip.unbind(1)) / allowed) ** 2))
    correlation, apart = _compare(frames, warp(frames.flip(0), flows, mode="bilinear"))
    closed = closed * (1 - _rise(apart, *OTHER_PATCH))
    alike = there * _rise(correlation, *SAME_PATCH)
    taken = warp(closed.flip(0), flows, mode="bilinear")
    trust = torch.maximum(closed, alike * (1 - taken))
    return Match(flows[0], flows[1], trust[0], trust[1])


def chain(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the flow [2, h, w] of two flows applied one after the other."""
    return first + _sampled_at(second[None], first[None])[0]


def fill(field: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Fill a field [c, h, w], where its trust [h, w] is low, from trusted values around it.

    Averages weighted by trust are taken over larger and larger cells; each gap is filled from the
    smallest cells with known values (pull and push, Gortler et al., SIGGRAPH 1996).
    """
    return _pull_push(field[None], trust[None, None])[0]


def fill_frames(frames: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Fill values of frames [n, h, w] that are not valid [n, h, w] from their surroundings."""
    known = torch.where(valid, frames, 0.0)
    return _pull_push(known[:, None], valid[:, None].to(frames))[:, 0]


def _pull_push(field: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    if min(field.shape[-2:]) <= 2:
        weight = trust.sum((2, 3), keepdim=True).clamp(min=1e-9)
        return ((field * trust).sum((2, 3), keepdim=True) / weight).expand_as(field)
    known = _halve(trust)
    coarse = _pull_push(_halve(field * trust) / known.clamp(min=1e-6), (2 * known).clamp(max=1))
    around = functional.interpolate(
        coarse, size=field.shape[-2:], mode="bilinear", align_corners=False
    )
    return torch.lerp(around, field, trust)


def _halve(field: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(field, 4, 2, padding=1, ceil_mode=True, count_include_pad=False)


def _dense_inverse_search(
    first: np.ndarray, second: np.ndarray, searches: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """Return the flow [2, h, w] of frames [h, w]: at each pixel that of the search to which the
    others are closest."""
    # Small frames have no room for large patches.
    fitting = [one for one in searches if 2 * one[0] <= min(first.shape)] or searches[:1]
    flows = torch.stack([_search(first, second, *patches) for patches in fitting])
    apart = [torch.hypot(*(flows - flow).unbind(1)).clamp(max=SAME_FLOW).sum(0) for flow in flows]
    middle = torch.stack(apart).argmin(0)
    return flows.gather(0, middle.expand(1, 2, -1, -1))[0]


def _search(first: np.ndarray, second: np.ndarray, patch: int, stride: int) -> torch.Tensor:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchSize(patch)
    search.setPatchStride(stride)
    search.setGradientDescentIterations(DESCENTS)
    search.setVariationalRefinementIterations(REFINEMENTS)
    search.setVariationalRefinementAlpha(SMOOTHNESS)
    # An initial flow, even of zeros, would be a candidate at every scale.
    flow = search.calc(first, second, None)  # type: ignore[call-overload]
    return rearrange(torch.from_numpy(flow), "h w xy -> xy h w").contiguous().cpu()


def _sampled_at(fields: torch.Tensor, flows: torch.Tensor) -> torch.Tensor:
    """Sample fields [n, 2, h, w] where flows [n, 2, h, w] lead."""
    return torch.stack([warp(fields[:, i], flows, mode="bilinear") for i in (0, 1)], dim=1)


def _rise(values: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Return 0 up to `low`, 1 from `high` on, and a line between."""
    return ((values - low) / (high - low)).clamp(0, 1)


def _inside(flows: torch.Tensor) -> torch.Tensor:
    """Return [n, h, w], 1 where flows [n, 2, h, w] lead to a place within the frame, else 0."""
    x, y = pixel_grid(flows)
    size = (flows.shape[-2], flows.shape[-1])
    return within(x + flows[:, 0], y + flows[:, 1], size).to(flows)


def _compare(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the correlation [n, h, w] of patches of frames [n, h, w] of 0..255, and the share of
    their variance in which they differ, beyond the usual difference."""

    def mean(values: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(
            values[:, None], PATCH, 1, padding=PATCH // 2, count_include_pad=False
        )[:, 0]

    middle, other = mean(first), mean(second)
    one, two = ((mean(f * f) - m * m).clamp(min=0) for f, m in ((first, middle), (second, other)))
    common = mean(first * second) - middle * other
    apart = (one + two - 2 * common).clamp(min=0)
    usual = apart.flatten(1).median(1).values[:, None, None]
    correlation = common / ((one + LEAST_TEXTURE**2) * (two + LEAST_TEXTURE**2)).sqrt()
    return correlation, apart / (one + two + USUAL_TIMES * usual + LEAST_TEXTURE**2)
