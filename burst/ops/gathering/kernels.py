"""Kernels by which samples are gathered: narrow across edges, long along them, wide where all is
flat.

After Wronski et al. (ACM Trans. Graph. 38, 28, 2019), section 5.1 and equations 2 to 4: the
structure tensor of a grey image tells the edge, and noise how much of it is believed.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from burst.ops.alignment.registration import smooth
from burst.ops.warp import sample_lines

# px of the small image, sigma of the structure tensor, and of that of noise
WINDOW, AROUND = 1.0, 4.0
FEWEST, NARROWEST, FALL = 0.62, 0.36, 3.0  # px; see `detail`
ALONG = 3.0  # how much longer than across a kernel is along a clear edge
FLAT = 2.0  # how much wider it is where nothing stands out of the noise
CLEAR = 10.0  # gradient energy over its noise at which an edge is believed


def detail(frames: torch.Tensor) -> torch.Tensor:
    """Return sigma (px) of the kernel for detail where so many `frames` are believed. The distance
    between samples of a colour falls with their square root; below a third of a pixel the pixel's
    own area blurs more."""
    return (FEWEST * frames.clamp(min=1) ** (-1 / FALL)).clamp(min=NARROWEST)


def inverse_covariances(
    image: torch.Tensor, noise: torch.Tensor, frames: torch.Tensor
) -> torch.Tensor:
    """Return half the inverse covariance (xx, xy, yy) [3, h, w] px^-2 of the kernels.

    `image` is grey, `noise` an example of what it carries, both [r h, r w]; `frames` [h, w] are
    believed there.
    """
    xx, xy, yy = _structure(image, frames, WINDOW)
    one, _, other = _structure(noise, frames, AROUND)
    noise = (one + other) / 2
    middle, half = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
    strong = (middle + half - noise).clamp(min=0) / noise.clamp(min=1e-12)
    clear = strong / (strong + CLEAR)
    edge = half / middle.clamp(min=1e-12) * clear
    across = detail(frames) * (FLAT - (FLAT - 1) * clear)
    along = across * (1 + (ALONG - 1) * edge.square())
    # The direction across the edge is that of the larger eigenvalue.
    angle = torch.atan2(2 * xy, xx - yy) / 2
    c, s = angle.cos(), angle.sin()
    a, b = 1 / (2 * across.square()), 1 / (2 * along.square())
    return torch.stack([a * c * c + b * s * s, (a - b) * c * s, a * s * s + b * c * c])


def _structure(image: torch.Tensor, small: torch.Tensor, window: float) -> torch.Tensor:
    """Return the structure tensor (xx, xy, yy) of an image [r h, r w] in windows of a `small` image
    [h, w]. Differences are of neighbours, by which the finest detail shows."""
    quad = functional.pad(image[None, None], (0, 1, 0, 1), mode="replicate")
    down, right = quad.diff(dim=2), quad.diff(dim=3)
    gx, gy = (right[..., :-1, :] + right[..., 1:, :]) / 2, (down[..., :-1] + down[..., 1:]) / 2
    products = torch.cat([gx * gx, gx * gy, gy * gy], dim=1)
    return smooth(functional.interpolate(products, small.shape[-2:], mode="area"), window)[0]


def finer(small: torch.Tensor, rows: slice, scale: float, wide: int) -> torch.Tensor:
    """Interpolate maps [c, h, w] of pixels of 2 x 2 to some rows of an image [c, rows, wide] with
    pixels `scale` times as fine as the sensor's."""
    y, x = (
        (torch.arange(begin, end).to(small) + 0.5) / (2 * scale) - 0.5
        for begin, end in ((rows.start, rows.stop), (0, wide))
    )
    return sample_lines(small, x, y)
