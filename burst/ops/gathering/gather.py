"""Gather the samples of all frames onto one grid, each channel from its own samples.

Every sample counts by a kernel about the place it lies at and by how far its frame is believed
there (Wronski et al., ACM Trans. Graph. 38, 28, 2019, equation 1). Rows are done band by band.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.ops.alignment.camera import places, places_back
from burst.ops.filters import separable
from burst.ops.gathering.kernels import finer
from burst.ops.gathering.sites import Sites
from burst.ops.warp import sample
from burst.records import CameraFlow

ON_CPU, ON_GPU = 1 << 16, 1 << 23  # pixels of a band; on a CPU they stay in its cache
Samples = Sequence[torch.Tensor]  # of a frame: of each plane, [s, h, w]
LEAST = -16.0  # logarithm of the least weight; where samples are far, the nearest ones decide


@dataclass(frozen=True)
class Share:
    """What a frame gives.

    planes    of each [s, h, w], with s sets of samples that are gathered alike
    believed  [h / 2, w / 2] how far the frame is believed, times how precise it is
    valid     of each plane [h, w] which samples count; None: all
    """

    planes: Samples
    believed: torch.Tensor
    valid: Samples | None = None


@dataclass(frozen=True)
class Gathering:
    """What is gathered from where.

    planes    where the frames have samples of which channel
    flow      how the frames lie on the reference
    kernels   [3, h / 2, w / 2] half the inverse covariances of the kernels
    scale     pixels of the result along one of the frames
    """

    planes: tuple[Sites, ...]
    flow: CameraFlow
    kernels: torch.Tensor
    scale: float = 1.0

    def gather(
        self,
        share_of: Callable[[int], Share],
        channels: tuple[int, ...] = (0, 1, 2),
    ) -> torch.Tensor:
        """Return the weighted means [s, c, H, W] of the samples of `channels` in the shares of all
        frames."""
        value, weight = torch.empty(0), torch.empty(0)
        for k in range(len(self.flow.motion)):
            share = share_of(k)
            planes = share.planes
            if not k:
                tall, wide = self._size(planes)
                value = planes[0].new_zeros(len(planes[0]), len(channels), tall, wide)
                weight = torch.zeros_like(value[0])
                kernels = finer(self.kernels, slice(0, tall), self.scale, wide)
                step = max(1, (ON_CPU if value.device.type == "cpu" else ON_GPU) // wide)
            x = (torch.arange(wide).to(value) + 0.5) / self.scale - 0.5
            for first in range(0, tall, step):
                rows = slice(first, min(first + step, tall))
                trust = finer(share.believed[None], rows, self.scale, wide)[0]
                if not bool((trust > 0).any()):
                    continue
                y = (torch.arange(rows.start, rows.stop).to(value) + 0.5) / self.scale - 0.5
                there = places(self.flow, k, x, y)
                log_trust = trust.log_()
                for i, plane in enumerate(self.planes):
                    if plane.channel in channels:
                        place = channels.index(plane.channel)
                        _add(
                            _Band(plane, there, kernels[:, rows], log_trust),
                            planes[i],
                            None if share.valid is None else share.valid[i],
                            (value[:, place, rows], weight[place, rows]),
                        )
        return value.div_(weight.clamp_(min=1e-20))

    def as_sampled(self, estimate: torch.Tensor) -> torch.Tensor:
        """Return estimates [s, c, H, W] as the larger pixels of the frames gather their light."""
        side = (self.scale - 1) / (2 * self.scale)
        if not side:
            return estimate
        kernel = torch.tensor([side, 1 - 2 * side, side])
        flat = estimate.flatten(0, 1)[:, None]
        padded = functional.pad(flat, (1,) * 4, mode="replicate")
        return separable(padded[:, 0], kernel).reshape(estimate.shape)

    def residual(self, planes: Samples, frame: int, estimate: torch.Tensor) -> list[torch.Tensor]:
        """Return how the samples [s, h, w] of the planes of a frame differ from what estimates
        [s, c, H, W], as sampled, lead to; one channel stands for all."""
        left = []
        for plane, samples in zip(self.planes, planes, strict=True):
            y, x = (
                torch.arange(count).to(samples) * plane.step + start
                for count, start in zip(samples.shape[1:], (plane.y, plane.x), strict=True)
            )
            there = (places_back(self.flow, frame, x, y) + 0.5) * self.scale - 0.5
            layers = estimate[:, min(plane.channel, estimate.shape[1] - 1)]
            left.append(samples - sample(layers, there))
        return left

    def _size(self, planes: Samples) -> tuple[int, int]:
        step = self.planes[0].step
        height, width = planes[0].shape[-2:]
        return round(height * step * self.scale), round(width * step * self.scale)


@dataclass(frozen=True)
class _Band:
    """Some rows of the result: which plane is gathered, where its points lie in the frame
    [2, rows, W], their kernels [3, rows, W] and the logarithm of trust in the frame [rows, W]."""

    plane: Sites
    there: torch.Tensor
    kernel: torch.Tensor
    log_trust: torch.Tensor


def _add(
    band: _Band,
    samples: torch.Tensor,
    counted: torch.Tensor | None,
    totals: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Add the four samples [s, h, w] around every point to the sums [s, rows, W] and weights
    [rows, W]; where `counted` [h, w] is given, those that count."""
    value, weight = totals
    step, (high, wide) = band.plane.step, samples.shape[-2:]
    u, v = (band.there[0] - band.plane.x) / step, (band.there[1] - band.plane.y) / step
    left, top = u.floor().clamp_(0, wide - 2), v.floor().clamp_(0, high - 2)
    dx, dy = u.sub_(left).mul_(step), v.sub_(top).mul_(step)
    index = top.mul_(wide).add_(left).long().flatten()
    xx, xy, yy = band.kernel
    flat = [part.reshape(-1) for part in samples]
    # A sample's place in memory is `ahead` of the first of the four. `index_select` takes a CPU a
    # third of the time of `take`.
    columns = [((xx * d).mul_(d), xy * (2 * d), i) for d, i in ((dx, 0), (dx - step, 1))]
    for down, below in ((dy, 0), (dy - step, wide)):
        level = (yy * down).mul_(down).neg_()
        for square, mixed, right in columns:
            ahead = below + right
            exponent = torch.addcmul(level, mixed, down, value=-1).sub_(square)
            w = exponent.clamp_(min=LEAST).add_(band.log_trust).exp_()
            if counted is not None:
                w *= counted.reshape(-1)[ahead:].index_select(0, index).reshape(w.shape)
            weight += w
            for total, part in zip(value, flat, strict=True):
                total.addcmul_(w, part[ahead:].index_select(0, index).reshape(w.shape))
