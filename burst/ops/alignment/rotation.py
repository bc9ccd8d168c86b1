"""Frames of a rotating planet, turned to one time, and back: none is resampled twice."""

from __future__ import annotations

from dataclasses import replace

import torch

from burst.ops.blocks import mapped
from burst.ops.sphere import Globe, from_centre, rotation
from burst.ops.warp import warp
from burst.records import Rotation

MOST_LIGHT = 2.0  # times, that a point is brightened near the limb, where noise would be too


def turn_to_one_time(frames: torch.Tensor, turned: Rotation) -> tuple[torch.Tensor, Rotation]:
    """Return frames [n, h, w] as their planet looks at one time, and the rotation with the frames
    as they were recorded, but with the shading of that time."""
    globe, size = Globe(*turned.globe), (frames.shape[-2], frames.shape[-1])

    def shaded(frames: torch.Tensor, angle: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
        _, _, ratio = rotation(globe, -angle, *from_centre(centre, size))
        return frames * (ratio**turned.limb).clamp(1 / MOST_LIGHT, MOST_LIGHT)

    def at_one_time(
        frames: torch.Tensor, angle: torch.Tensor, centre: torch.Tensor
    ) -> torch.Tensor:
        return warp(frames, rotation(globe, angle, *from_centre(centre, size))[0])

    recorded = mapped(shaded, frames, turned.angle, turned.centre)
    shown = mapped(at_one_time, recorded, turned.angle, turned.centre)
    return shown, replace(turned, recorded=recorded)


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
