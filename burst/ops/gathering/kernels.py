"""Kernels by which samples are gathered: narrow across edges, long along them, wide where all is
flat.

After Wronski et al. (ACM Trans. Graph. 38, 28, 2019), section 5.1 and equations 2 to 4: the
structure tensor of a grey image tells the edge, and noise how much of it is believed.
"""

from __future__ import annotations

import torch

from burst.ops.alignment.registration import gradient, smooth

WINDOW = 1.0  # px of the small image, sigma of the structure tensor
FEWEST, NARROWEST, FALL = 0.62, 0.36, 3.0  # px; see `detail`
ALONG = 1.6  # how much longer than across a kernel is along a clear edge
FLAT = 2.5  # how much wider it is where nothing stands out of the noise
CLEAR = 10.0  # gradient energy over its noise at which an edge is believed


def detail(frames: torch.Tensor) -> torch.Tensor:
    """Return sigma (px) of the kernel for detail where so many `frames` are believed. The distance
    between samples of a colour falls with their square root; below a third of a pixel the pixel's
    own area blurs more."""
    return (FEWEST * frames.clamp(min=1) ** (-1 / FALL)).clamp(min=NARROWEST)


def inverse_covariances(
    grey: torch.Tensor, variance: torch.Tensor, frames: torch.Tensor
) -> torch.Tensor:
    """Return half the inverse covariance (xx, xy, yy) [3, h, w] px^-2 of the kernels.

    `grey` [h, w] has pixels of 2 x 2 of the sensor's and noise of `variance` [h, w]; `frames`
    [h, w] are believed there.
    """
    gx, gy = gradient(grey)
    tensor = smooth(torch.stack([gx * gx, gx * gy, gy * gy])[None], WINDOW)[0]
    xx, xy, yy = tensor.unbind(0)
    middle, half = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
    noise = variance / 2  # of a central difference
    strong = (middle + half - noise).clamp(min=0) / noise.clamp(min=1e-12)
    clear = strong / (strong + CLEAR)
    edge = half / middle.clamp(min=1e-12) * clear
    across = detail(frames) * (FLAT - (FLAT - 1) * clear)
    along = across * (1 + (ALONG - 1) * edge)
    # The direction across the edge is that of the larger eigenvalue.
    angle = torch.atan2(2 * xy, xx - yy) / 2
    c, s = angle.cos(), angle.sin()
    a, b = 1 / (2 * across.square()), 1 / (2 * along.square())
    return torch.stack([a * c * c + b * s * s, (a - b) * c * s, a * s * s + b * c * c])


def finer(small: torch.Tensor, rows: slice, scale: float, wide: int) -> torch.Tensor:
    """Interpolate maps [c, h, w] of pixels of 2 x 2 to some rows of an image [c, rows, wide] with
    pixels `scale` times as fine as the sensor's."""
    high, narrow = small.shape[-2:]
    y, x = (
        (((torch.arange(begin, end).to(small) + 0.5) / (2 * scale) - 0.5).clamp(0, most - 1))
        for begin, end, most in ((rows.start, rows.stop, high), (0, wide, narrow))
    )
    top, left = y.floor().long().clamp(max=high - 2), x.floor().long().clamp(max=narrow - 2)
    lines = torch.lerp(small[:, top], small[:, top + 1], (y - top)[:, None])
    return torch.lerp(lines[..., left], lines[..., left + 1], x - left)
