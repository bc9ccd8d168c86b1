"""Render what a rolling shutter would have read from images of single instants.

Bidirectional distortion warping (Shang et al., ICCV 2023): a row read at the share t of a span is
warped from the image at its start and from that at its end; the mean is weighted by 1 - t and t.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from burst.ops.warp import pixel_grid, twice_as_fine, warp, warp_finer, within

ROUNDS = 3  # of the fixed point: the velocity of a pixel is that at the place it came from


@dataclass(frozen=True)
class MovingImage:
    """Images [b, h, w] of one instant and the velocities [b, 2, h, w] of their points. Velocities
    are in px from the start of a readout to its end."""

    image: torch.Tensor
    velocity: torch.Tensor

    @cached_property
    def finer(self) -> torch.Tensor:
        """The images at twice the resolution, so that rendering does not blur them. A network would
        learn to oversharpen what rendering blurs."""
        return twice_as_fine(self.image)


def rerender(
    start: MovingImage,
    end: MovingImage,
    share: torch.Tensor,
    span: torch.Tensor,
    offset: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Render rows that are read at shares [b, h, w] of the time between two instants. `span` [b] is
    that time in readouts, `offset` [b, 2] px the displacement of the frame that is not motion. Also
    returns [b, h, w]: 1 where both images reach, 0 beyond."""
    length = span[:, None, None]
    from_start, inside_start = _render(start, -share * length, offset)
    from_end, inside_end = _render(end, (1 - share) * length, offset)
    return torch.lerp(from_start, from_end, share), inside_start * inside_end


def _render(
    source: MovingImage, later: torch.Tensor, offset: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Warp an image to rows that were read `later` [b, h, w] readouts before its instant."""
    shift = -offset[:, :, None, None]
    flow = source.velocity * later[:, None] + shift
    for _ in range(ROUNDS):
        velocity = [warp(source.velocity[:, axis], flow, mode="bilinear") for axis in (0, 1)]
        flow = torch.stack(velocity, dim=1) * later[:, None] + shift
    x, y = pixel_grid(flow)
    size = (flow.shape[-2], flow.shape[-1])
    inside = within(x + flow[:, 0], y + flow[:, 1], size)
    return warp_finer(source.finer, flow), inside.to(source.image)
