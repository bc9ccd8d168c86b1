"""The shift and scale by which one colour of an image lies off another.

Air disperses light, and lenses magnify colours differently. Images of two colours differ in
brightness and contrast from place to place, so detail is compared: each image is freed of its local
mean and divided by its local contrast.
"""

from __future__ import annotations

import torch

from burst.ops.alignment.registration import gradient, smooth
from burst.ops.alignment.shifts import small_shift
from burst.ops.warp import pixel_grid, warp

# Chosen by hand, but for CERTAIN and LEAST: on mosaics of 14 photographs through air, without
# and with .6 px and .1 % between red and green as between green and blue.
WINDOW = 6.0  # px, sigma of the window in which mean and contrast are taken
LEAST_CONTRAST = 0.05  # of the contrast of the whole image: flat places are not raised to noise
LEVELS = (3.0, 1.5, 0.8)  # px, sigma by which detail is smoothed, coarse to fine
ITERATIONS = 6
FARTHEST = 16.0  # px, of the shift where the search starts
OUTLIER = 2.5  # robust standard deviations
BLOCKS = 6  # per side, whose errors are taken as independent
CERTAIN = 50.0  # chi-square of 3 degrees of freedom
LEAST = 0.1  # px rms; 14 photographs themselves lie up to that much off, and less is not seen


def measure_lateral(
    image: torch.Tensor, reference: torch.Tensor, apart: torch.Tensor
) -> torch.Tensor | None:
    """Return (dx, dy) px and relative scale [3] by which image [h, w] lies off reference [h, w];
    None where nothing is certain.

    Pixel p of the reference is at p + `apart` [2] px in the image's grid where colours lie on one
    another; the result is what they lie off beyond that.
    """
    height, width = reference.shape
    sharp, target = detail(image), detail(reference)
    start = small_shift(smoothed(sharp, LEVELS[0]), smoothed(target, LEVELS[0]), FARTHEST)
    found = torch.cat([start, start.new_zeros(1)])
    for level in LEVELS:
        moving, fixed = smoothed(sharp, level), smoothed(target, level)
        for _ in range(ITERATIONS):
            step, covariance = _step(moving, fixed, found)
            found = found + step
    found = found - torch.cat([apart, apart.new_zeros(1)])
    if not bool(torch.isfinite(found).all()):
        return None
    certainty = found @ torch.linalg.pinv(covariance) @ found
    rms = displacement(found, (height, width)).square().sum(1).mean().sqrt()
    return found if float(certainty) > CERTAIN and float(rms) > LEAST else None


def displacement(lateral: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the displacement [1, 2, h, w] px of a shift and scale [3] about the middle."""
    height, width = size
    x, y = pixel_grid(lateral.new_empty(size))
    shift_x, shift_y, scale = lateral
    across = shift_x + scale * (x - (width - 1) / 2).expand(size)
    down = shift_y + scale * (y - (height - 1) / 2).expand(size)
    return torch.stack([across, down])[None]


def detail(image: torch.Tensor) -> torch.Tensor:
    """Return image [h, w] without its local mean, over its local contrast."""
    rest = image - smoothed(image, WINDOW)
    least = LEAST_CONTRAST * rest.square().mean() + 1e-20
    return rest / (smoothed(rest.square(), WINDOW) + least).sqrt()


def smoothed(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur an image [h, w] by a Gaussian."""
    return smooth(image[None, None], sigma)[0, 0]


def _step(
    image: torch.Tensor, reference: torch.Tensor, found: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the step of robust least squares [3] from a shift and scale, and the covariance [3, 3]
    of the result, from how far the blocks of the image contradict one another."""
    size = (reference.shape[0], reference.shape[1])
    warped = warp(image[None], displacement(found, size))[0]
    gain = (warped * reference).sum() / warped.square().sum().clamp(min=1e-20)
    error = reference - gain * warped
    gx, gy = gradient(gain * warped)
    x, y = pixel_grid(reference)
    steep = torch.stack(
        [gx, gy, gx * (x - (size[1] - 1) / 2) + gy * (y - (size[0] - 1) / 2)]
    ).flatten(1)
    spread = 1.4826 * error.abs().median().clamp(min=1e-12)
    weight = 1 / (1 + (error / (OUTLIER * spread)).square()).flatten()
    normal = (steep * weight) @ steep.T
    pulls = (steep * weight * error.flatten()).reshape(3, *size)
    step = torch.linalg.solve(normal + 1e-9 * normal.diagonal().mean() * torch.eye(3).to(normal),
                              pulls.sum((1, 2)))  # fmt: skip
    sums = torch.nn.functional.adaptive_avg_pool2d(pulls - pulls.mean((1, 2), keepdim=True), BLOCKS)
    sums = sums.flatten(1) * (pulls[0].numel() / BLOCKS**2)
    inverse = torch.linalg.pinv(normal)
    return step, inverse @ (sums @ sums.T) @ inverse
