"""Drizzle: the light of every pixel falls onto a finer grid (Fruchter and Hook, PASP 114, 144,
2002).

A pixel is taken as a smaller square, a drop, which shares its light among the pixels of the finer
grid by the area that they have in common. Frames that lie apart by parts of a pixel then show more
detail than one of them.
"""

from __future__ import annotations

import torch
from einops import rearrange

from burst.ops.blur.psf import kernel_of, normalise, padded_transfer
from burst.ops.chunks import frames_at_once
from burst.ops.warp import pixel_grid


def finer_flow(flow: torch.Tensor, scale: float, size: tuple[int, int]) -> torch.Tensor:
    """Return where in the frames [n, 2, h', w'] px the pixels of a grid of `size` lie that is
    `scale` times as fine as that of a flow [n, 2, h, w]."""
    x, y = pixel_grid(flow.new_empty(size))
    x, y = (x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5
    moved = torch.nn.functional.interpolate(flow, size=size, mode="bilinear", align_corners=False)
    return torch.stack([x + moved[:, 0], y + moved[:, 1]], dim=1)


def drizzle(
    frames: torch.Tensor,
    flow: torch.Tensor,
    weights: torch.Tensor,
    scale: float,
    drop: float,
    valid: torch.Tensor | None = None,
) -> tuple[torch.Tensor, float]:
    """Return the mean [h', w'] of frames [n, h, w] with weights [n] on a finer grid, and the
    variance of its noise over that of a frame.

    The grid is `scale` times as fine as that of the flow [n, 2, h, w], from there to the frames.
    `drop` is the side of the square that a pixel is taken as, in px of the frames; values that are
    not `valid` [n, h, w] do not count.
    """
    size = (round(flow.shape[-2] * scale), round(flow.shape[-1] * scale))
    total, light, square = (frames.new_zeros(size) for _ in range(3))
    for first in range(0, len(frames), frames_at_once(frames)):
        chosen = slice(first, first + frames_at_once(frames))
        place = finer_flow(flow[chosen], scale, size)
        part = frames[chosen]
        counts = torch.ones_like(part) if valid is None else valid[chosen].to(part)
        for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
            value, share = _sampled(part, counts, place, step, drop, 1 / scale)
            share = share * weights[chosen, None, None]
            total += (share * value).sum(0)
            light += share.sum(0)
            square += share.square().sum(0)
    image = total / light.clamp(min=1e-12)
    return image, float((square / light.square().clamp(min=1e-24)).median())


def drizzled_psf(psf: torch.Tensor, scale: float, drop: float) -> torch.Tensor:
    """Return a PSF [k, k] on a grid `scale` times as fine, with what drops of a side, in px, and
    the pixels of the finer grid add to it."""
    transfer, _, fy = padded_transfer(psf)
    finer = round(len(fy) * scale / 2) * 2
    x = torch.arange(finer // 2 + 1, device=psf.device)
    y = torch.fft.fftfreq(finer, 1 / finer, device=psf.device).round().long()
    transfer = _continued(_continued(transfer, 1, x, len(fy)), 0, y, len(fy))
    for side in (drop, 1 / scale):
        transfer = (
            transfer * torch.sinc(side * x / len(fy)) * torch.sinc(side * y / len(fy))[:, None]
        )
    return normalise(kernel_of(transfer, round(psf.shape[-1] * scale) | 1))


def _continued(transfer: torch.Tensor, axis: int, wanted: torch.Tensor, size: int) -> torch.Tensor:
    """Return a transfer function of `size` px at `wanted` frequencies [m], in cycles per size,
    along an axis: beyond those of its grid it falls on as it falls towards the highest one.

    A narrow PSF, as of the planes of a mosaic, does not end there. If it did, what the finer grid
    shows beyond would be amplified to stripes.
    """
    half = size // 2
    beyond = (wanted.abs() - half).clamp(min=0)
    found = transfer.index_select(axis, wanted.clamp(-half, half) % size)
    mirrored = (half - beyond).clamp(min=0) * wanted.sign()
    before = transfer.index_select(axis, mirrored % size).abs().clamp(min=1e-6)
    return found * torch.where(before > found.abs(), found.abs() / before, 1.0).where(
        (beyond > 0).unsqueeze(1 - axis), 1.0
    )


def _sampled(
    frames: torch.Tensor,
    counts: torch.Tensor,
    place: torch.Tensor,
    step: tuple[int, int],
    drop: float,
    pixel: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the values [n, h', w'] of the pixels of frames [n, h, w] around a place
    [n, 2, h', w'], a step (right, down) from the one before it, and the share of their drops' area
    in a pixel of a side there; 0 beyond the frame and where `counts` [n, h, w] is."""
    height, width = frames.shape[-2:]
    x, y = place[:, 0].floor() + step[0], place[:, 1].floor() + step[1]
    most = min(drop, pixel)
    share = torch.ones_like(x)
    for near, there in ((x, place[:, 0]), (y, place[:, 1])):
        share = share * ((drop + pixel) / 2 - (near - there).abs()).clamp(0, most)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long()
    index = rearrange(index, "n h w -> n (h w)")
    value, known = (
        rearrange(frame, "n h w -> n (h w)").gather(1, index).reshape(x.shape)
        for frame in (frames, counts)
    )
    return value, share * inside * known
