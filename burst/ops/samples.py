"""Sample frames by a flow, and return which samples count.

`valid` [n, h, w] bool says which values of the frames were measured; samples of others, or from far
outside a frame, do not count. If it is None all samples count; those beyond the border are
reflected, which is right as long as frames move little. Where the camera moved, other frames show
what lies beyond a frame's border, and reflected samples count little: in frames that turned by 10
degrees they cost .4 dB.
"""

from __future__ import annotations

import torch

from burst.ops.flow import fill_frames
from burst.ops.warp import pixel_grid, warp, within

# px beyond the border where the reflected scene counts: as far as air and shake move a frame. To
# leave it out costs .3 dB in stacks of 128 px through weak air, because fewer frames then show the
# borders.
MIRRORED = 8.0
# What one of these counts where the camera moved: enough for corners that few frames show, whose
# noise deconvolution would raise.
MIRRORED_SHARE = 0.1
MEASURED = 0.99  # of the weight of the four pixels around a sample


def sample(
    frames: torch.Tensor, flow: torch.Tensor, valid: torch.Tensor | None, moved: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return frames [n, h, w] at p + flow(p), flow [n, 2, h', w'], and which samples count
    [n, h', w'], from 0 to 1; None where all do. `moved` says that the camera moved."""
    if valid is None:
        return warp(frames, flow), None
    x, y = pixel_grid(flow)
    size = (frames.shape[-2], frames.shape[-1])
    x, y = x + flow[:, 0], y + flow[:, 1]
    counts = within(x, y, size, border=-MIRRORED)
    if not bool(valid.all()):
        counts &= warp(valid.to(frames), flow, mode="bilinear") > MEASURED
        frames = fill_frames(frames, valid)
    share = counts.to(frames)
    if moved:
        share = share * within(x, y, size).to(frames).clamp(min=MIRRORED_SHARE)
    return warp(frames, flow), share


def mean_of_samples(
    values: torch.Tensor, counts: torch.Tensor | None, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the weighted mean [h, w] of the samples [n, h, w] that count, with weights [n]; where
    none counts, the mean of all."""
    weight = None if weights is None else weights[:, None, None]
    plain = values.mean(0) if weight is None else (weight * values).sum(0) / weight.sum()
    if counts is None:
        return plain
    share = counts if weight is None else counts * weight
    light = share.sum(0)
    return torch.where(light > 0, (share * values).sum(0) / light.clamp(min=1e-12), plain)
