"""How far each frame is believed place by place: not where something moves by itself.

After Wronski et al., Handheld multi-frame super-resolution (ACM Trans. Graph. 38, 28, 2019),
sections 5.2: colours of a frame against those of the reference, in units of what noise and
aliasing explain, and the least of a neighbourhood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.ops.alignment.camera import places
from burst.ops.filters import box_mean
from burst.ops.warp import pixel_grid, warp, within
from burst.records import CameraFlow, NoiseModel

# Equations 6 and 7 of the paper: R = clamp(s exp(-d^2 / sigma^2) - t), s smaller where places move
# otherwise than their neighbours. Its s is for standard deviations of single pixels; these are of
# means over windows, and were chosen on simulated walkers.
STEADY, UNSTEADY, THRESHOLD = 8.0, 1.6, 0.12
MOST_RANGE = 0.8  # px, of the displacement of neighbouring cells (section 5.2.2)
SMOOTHED = 3  # px, side of the windows
ALIASED = 0.3  # share of the scene's variance in a window that sampling elsewhere changes
UNSEEN = 0.1  # of the same in an image of all frames, that it may not show
NEIGHBOURHOOD = 5  # px, of which the least counts


@dataclass(frozen=True)
class Guide:
    """What the frames are compared with.

    colours   [c, h, w] means over windows of the reference's small colours
    variance  [c, h, w] of the difference of another frame from it, by noise and aliasing
    """

    colours: torch.Tensor
    variance: torch.Tensor


def guide_of(small: torch.Tensor, noise: list[NoiseModel]) -> Guide:
    """Return the guide of the small colours [c, h, w] of the reference and their noise."""
    mean = _window(small)
    spread = (_window(small.square()) - mean.square()).clamp(min=0)
    own = torch.stack([model.variance(part) for model, part in zip(noise, mean, strict=True)])
    scene = (spread - own * (1 - 1 / SMOOTHED**2)).clamp(min=0)
    return Guide(mean, 2 * own / SMOOTHED**2 + ALIASED * scene + 1e-9)


def guide_of_residuals(image: torch.Tensor, noise: list[NoiseModel]) -> Guide:
    """Return the guide of what samples differ from an image [c, H, W] of all frames, as small
    colours with their noise. It shows detail, and less noise than a frame."""
    mean = _window(image)
    spread = _window(image.square()) - mean.square()
    mean, spread = (functional.avg_pool2d(part[None], 2)[0] for part in (mean, spread))
    own = torch.stack([model.variance(part) for model, part in zip(noise, mean, strict=True)])
    variance = 2 * own / SMOOTHED**2 + UNSEEN * spread.clamp(min=0)
    return Guide(torch.zeros_like(variance), variance + 1e-9)


def belief_of(
    guide: Guide, small: torch.Tensor, flow: CameraFlow, frame: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far a frame with small colours [c, h, w] is believed at each place of the guide
    [h, w], 0 to 1, and the colours on the guide's grid [c, h, w]."""
    seen, shown = on_reference(small, flow, frame)
    off = ((_window(seen) - guide.colours).square() / guide.variance).mean(0)
    steady = STEADY - (STEADY - UNSTEADY) * _unsteady(flow, frame, (shown.shape[0], shown.shape[1]))
    belief = (steady * torch.exp(-off / 4) - THRESHOLD).clamp(0, 1) * shown
    reach = NEIGHBOURHOOD // 2
    least = -functional.max_pool2d(-belief[None], NEIGHBOURHOOD, 1, reach)[0]
    return least, seen


def on_reference(
    small: torch.Tensor, flow: CameraFlow, frame: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return small images [c, h, w] of a frame on the grid of the reference, and which of its
    places [h, w] the frame shows."""
    x, y = pixel_grid(small)
    x, y = x[0], y[:, 0]
    there = (places(flow, frame, 2 * x + 0.5, 2 * y + 0.5) - 0.5) / 2
    size = (small.shape[-2], small.shape[-1])
    shown = within(there[0], there[1], size, 1.0)
    displaced = there - torch.stack(torch.broadcast_tensors(x[None], y[:, None]))
    seen = warp(small, displaced.expand(len(small), -1, -1, -1), mode="bilinear")
    return seen, shown


def mean_guide(
    colours: Callable[[int], torch.Tensor],
    guide: Guide,
    flow: CameraFlow,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far each frame is believed [n, h, w], and the mean of the small colours
    `colours(k)` [c, h, w] of all frames weighted by it [c, h, w]."""
    total = colours(flow.reference).clone()
    believed = torch.ones_like(total[:1]).repeat(len(flow.motion), 1, 1)
    for k in range(len(flow.motion)):
        if k != flow.reference:
            believed[k], seen = belief_of(guide, colours(k), flow, k)
            total += believed[k] * seen
    return believed, total / believed.sum(0)


def _unsteady(flow: CameraFlow, frame: int, size: tuple[int, int]) -> torch.Tensor:
    """Return where [h, w] cells of a frame move otherwise than their neighbours."""
    cells = flow.cells[frame][None]
    most, least = functional.max_pool2d(cells, 3, 1, 1), -functional.max_pool2d(-cells, 3, 1, 1)
    apart = ((most - least).square().sum(1, keepdim=True).sqrt() > MOST_RANGE).to(cells)
    return functional.interpolate(apart, size=size, mode="nearest")[0, 0]


def _window(images: torch.Tensor) -> torch.Tensor:
    return box_mean(images, SMOOTHED)
