"""How well frames agree with each other at the best shift: correlation of small views.

A view is a frame [h, w] averaged over squares to about SIDE pixels a side. Shifts are (dx, dy) in
px of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.ops.filters import gaussian_blur
from burst.ops.warp import within

# Chosen by hand.
SIDE = 48  # px of a view's shorter side, about: noise is averaged away, the scene is still there
TOE = 0.05  # of a view's mean; darker values are mostly noise
FINE, COARSE = 1.2, 4.0  # px (std) of a view: contrast of sizes in between is compared
LEAST_OVERLAP = 0.5  # of a view's contrast, so that corners do not agree by chance
AT_ONCE = 64
DEVIATION_OF_MAD = 1.4826  # standard deviations in a median absolute deviation of a Gaussian


@dataclass(frozen=True)
class Pairs:
    """Pairs of views that were compared.

    first, second  [p] numbers of the two views
    correlation    [p] at the best shift
    shift          [p, 2] that shift: first(x + shift) looks like second(x)
    """

    first: torch.Tensor
    second: torch.Tensor
    correlation: torch.Tensor
    shift: torch.Tensor

    def both_ways(self) -> Pairs:
        """Return every pair twice, the second time with its views exchanged."""
        return Pairs(
            torch.cat([self.first, self.second]),
            torch.cat([self.second, self.first]),
            self.correlation.repeat(2),
            torch.cat([self.shift, -self.shift]),
        )

    def of(self, chosen: torch.Tensor) -> Pairs:
        """Return the pairs chosen by a mask [p]."""
        return Pairs(
            self.first[chosen], self.second[chosen], self.correlation[chosen], self.shift[chosen]
        )


def view_factor(height: int, width: int) -> int:
    """Return how many pixels of a frame, per axis, are averaged to one of its view."""
    return max(1, round(min(height, width) / SIDE))


def band_pass(views: torch.Tensor) -> torch.Tensor:
    """Return views [n, y, x], linear, filtered to medium detail and independent of gain."""
    positive = views.clamp(min=0)
    mean = positive.mean((1, 2), keepdim=True).clamp(min=1e-6)
    # The root makes shot noise equal everywhere, and compresses highlights.
    root = (positive / mean + TOE).sqrt()
    return gaussian_blur(root, FINE, "replicate") - gaussian_blur(root, COARSE, "replicate")


def compare(first: torch.Tensor, second: torch.Tensor, pairs: Sequence[tuple[int, int]]) -> Pairs:
    """Correlate band-passed views [n, y, x] with others [m, y, x], pair by pair, at all shifts."""
    device = first.device
    a = torch.tensor([i for i, _ in pairs], dtype=torch.long, device=device)
    b = torch.tensor([j for _, j in pairs], dtype=torch.long, device=device)
    h, w = first.shape[1:]
    size = (2 * h, 2 * w)
    spectra = [torch.fft.rfft2(first, s=size)]
    spectra.append(spectra[0] if second is first else torch.fft.rfft2(second, s=size))
    scale_first = _energy_inside(first, size).rsqrt_()
    # Of the second view the overlapping part is that of the opposite shift.
    same = scale_first if second is first else _energy_inside(second, size).rsqrt_()
    scale_second = same.flip(1, 2).roll((1, 1), (1, 2))
    peaks, shifts = [], []
    for i, j in zip(a.split(AT_ONCE), b.split(AT_ONCE), strict=True):
        cross = torch.fft.irfft2(spectra[0][i] * spectra[1][j].conj(), s=size)
        best = cross.mul_(scale_first[i]).mul_(scale_second[j]).flatten(1).max(1)
        y, x = best.indices // size[1], best.indices % size[1]
        y, x = torch.where(y >= h, y - size[0], y), torch.where(x >= w, x - size[1], x)
        peaks.append(best.values)
        shifts.append(torch.stack([x, y], dim=1))
    none = torch.zeros(0, 2, dtype=torch.long, device=device)
    return Pairs(a, b, torch.cat([first.new_zeros(0), *peaks]), torch.cat([none, *shifts]))


def neighbours_in_time(count: int) -> list[tuple[int, int]]:
    """Return the pairs of `count` frames that are compared: all near ones, ever fewer far ones.
    Frames that drift agree with their neighbours only; the far pairs bridge a gap of bad frames."""
    steps = {1, 2, 3, *(2**k for k in range(max(count - 1, 1).bit_length()))}
    return [(i, i + step) for step in sorted(steps) for i in range(count - step)]


def shifted(views: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return views [n, y, x] at x + shift [n, 2], whole pixels; NaN outside."""
    n, h, w = views.shape
    y = torch.arange(h, device=views.device)[None, :, None] + shift[:, 1, None, None]
    x = torch.arange(w, device=views.device)[None, None, :] + shift[:, 0, None, None]
    inside = within(x, y, (h, w))
    which = torch.arange(n, device=views.device)[:, None, None]
    return torch.where(inside, views[which, y.clamp(0, h - 1), x.clamp(0, w - 1)], torch.nan)


def turned(view: torch.Tensor, degrees: Sequence[float], scales: Sequence[float]) -> torch.Tensor:
    """Return a view [y, x] rotated about its middle by angles [k] and enlarged by scales [k]."""
    h, w = view.shape
    angles = torch.tensor(degrees, dtype=view.dtype, device=view.device).deg2rad()
    scale = torch.tensor(scales, dtype=view.dtype, device=view.device)
    cos, sin, none = angles.cos() / scale, angles.sin() / scale, torch.zeros_like(angles)
    rows = [torch.stack([cos, -sin * h / w, none], 1), torch.stack([sin * w / h, cos, none], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [len(angles), 1, h, w], align_corners=False)
    views = view.expand(len(angles), 1, h, w)
    return functional.grid_sample(views, grid, padding_mode="reflection", align_corners=False)[:, 0]


def _energy_inside(band_pass: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the energy [n, 2y, 2x] of the part that overlaps another view at every shift."""
    window = torch.fft.rfft2(torch.ones_like(band_pass[:1]), s=size)

    def inside(few: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft2(few.square(), s=size)
        whole = few.square().sum((1, 2))[:, None, None]
        found = torch.fft.irfft2(spectrum * window.conj(), s=size)
        return torch.maximum(found, LEAST_OVERLAP * whole).clamp(min=1e-12)

    return torch.cat([inside(few) for few in band_pass.split(AT_ONCE)])
