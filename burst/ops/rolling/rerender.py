"""What a rolling shutter would have read, rendered from images of single instants.

Bidirectional distortion warping (Shang et al., ICCV 2023): a row read at the share t of a span is
seen in the image at its start and in the one at its end, and the closer one counts more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from burst.ops.warp import pixel_grid, twice_as_fine, warp, warp_finer

ROUNDS = 3  # of the fixed point: where a pixel was decides by which velocity it moved


@dataclass(frozen=True)
class Still:
    """Images [b, h, w] of one instant and the velocities [b, 2, h, w] of their points, px from the
    start of a readout to its end."""

    image: torch.Tensor
    velocity: torch.Tensor

    @cached_property
    def finer(self) -> torch.Tensor:
        """The images twice as fine: what rendering blurs, a network would learn to oversharpen."""
        return twice_as_fine(self.image)


def rerender(
    start: Still, end: Still, share: torch.Tensor, span: torch.Tensor, offset: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what rows read at shares [b, h, w] of the time between two instants show, and where
    [b, h, w] both images reach, 1 there and 0 beyond.

    `span` [b] is that time in readouts, `offset` [b, 2] px by how much the frame is displaced for
    other reasons than motion.
    """
    length = span[:, None, None]
    from_start, there = _seen(start, -share * length, offset)
    from_end, there_too = _seen(end, (1 - share) * length, offset)
    return torch.lerp(from_start, from_end, share), there * there_too


def _seen(
    still: Still, later: torch.Tensor, offset: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image as it is seen by rows that are read so much before it [b, h, w], readouts."""
    shift = -offset[:, :, None, None]
    flow = still.velocity * later[:, None] + shift
    for _ in range(ROUNDS):
        velocity = [warp(still.velocity[:, axis], flow, mode="bilinear") for axis in (0, 1)]
        flow = torch.stack(velocity, dim=1) * later[:, None] + shift
    height, width = still.image.shape[-2:]
    x, y = pixel_grid(flow)
    x, y = x + flow[:, 0], y + flow[:, 1]
    there = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return warp_finer(still.finer, flow), there.to(still.image)
