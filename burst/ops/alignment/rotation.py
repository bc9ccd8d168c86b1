"""Frames of a rotating planet, turned to one time, and back: none is resampled twice."""

from __future__ import annotations

import torch

from burst.ops.blocks import mapped
from burst.ops.sphere import Globe, from_centre, rotation
from burst.ops.warp import warp
from burst.records import Rotation


def turn_to_one_time(turned: Rotation) -> torch.Tensor:
    """Return the frames [n, h, w] of a rotation as their planet looks at one time."""
    globe, frames = Globe(*turned.globe), turned.recorded
    size = (frames.shape[-2], frames.shape[-1])

    def at_one_time(
        frames: torch.Tensor, angle: torch.Tensor, centre: torch.Tensor
    ) -> torch.Tensor:
        return warp(frames, rotation(globe, angle, *from_centre(centre, size))[0])

    return mapped(at_one_time, frames, turned.angle, turned.centre)


def as_recorded(
    turned: Rotation, flow: torch.Tensor, valid: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the frames [n, h, w] as they were recorded, the flow to them from that [n, 2, h, w] to
    the turned ones, and which of their values count [n, h, w]: not what is hidden at the time of
    the image."""
    globe, size = Globe(*turned.globe), (flow.shape[-2], flow.shape[-1])

    def through(flow: torch.Tensor, angle: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
        x, y = from_centre(centre, size)
        return flow + rotation(globe, angle, x + flow[:, 0], y + flow[:, 1])[0]

    def shown(frames: torch.Tensor, angle: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
        return rotation(globe, -angle, *from_centre(centre, size))[1]

    seen = mapped(shown, turned.recorded, turned.angle, turned.centre)
    both = mapped(through, flow, turned.angle, turned.centre)
    return turned.recorded, both, seen if valid is None else valid & seen
