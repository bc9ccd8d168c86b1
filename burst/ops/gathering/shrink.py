"""Take out the noise that is left, of which a gathered noise alone tells how strong it is where.

Undecimated wavelets (à trous, Starck and Murtagh, A&A 288, 342, 1994) of brightness and of two
differences of colours; each coefficient is shrunk by the energy about it in excess of the noise's
(Mihcak et al., IEEE Signal Process. Lett. 6, 300, 1999).
"""

from __future__ import annotations

import torch
from torch.nn import functional

SPLINE = (1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)
LEVELS = 4
ENERGY, AVERAGED = 5, 17  # px at the first level: windows of a coefficient's energy and the noise's
COLOUR = 1.5  # how much more the noise of colours counts, in which eyes see less detail


def shrink(image: torch.Tensor, noise: torch.Tensor, strength: float) -> torch.Tensor:
    """Return an image [c, h, w] with less noise; `noise` [c, h, w] is an example of what it
    carries."""
    if len(image) == 1:
        return _shrunk(image[0], noise[0], strength)[None]
    parts, examples = _opponent(image), _opponent(noise)
    grey, red, blue = (
        _shrunk(part, example, strength * (COLOUR if i else 1))
        for i, (part, example) in enumerate(zip(parts, examples, strict=True))
    )
    green = grey - (red + blue) / 4
    return torch.stack([red + green, green, blue + green])


def _opponent(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    red, green, blue = image.unbind(0)
    return (red + 2 * green + blue) / 4, red - green, blue - green


def _shrunk(image: torch.Tensor, noise: torch.Tensor, strength: float) -> torch.Tensor:
    result = torch.zeros_like(image)
    for level in range(LEVELS):
        step = 2**level
        coarse, coarse_noise = _spline(image, step), _spline(noise, step)
        detail, example = image - coarse, noise - coarse_noise
        energy = _mean(detail.square(), ENERGY, step)
        expected = strength * _mean(example.square(), AVERAGED, step)
        result += detail * ((energy - expected).clamp(min=0) / energy.clamp(min=1e-20))
        image, noise = coarse, coarse_noise
    return result + image


def _spline(image: torch.Tensor, step: int) -> torch.Tensor:
    """Return an image [h, w] smoothed by a spline with taps a `step` apart."""
    for axis in (0, 1):
        reach = min(2 * step, image.shape[axis] - 1)
        pad = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
        padded = functional.pad(image[None, None], pad, mode="reflect")[0, 0]
        length, total = image.shape[axis], torch.zeros_like(image)
        for i, tap in enumerate(SPLINE):
            start = max(0, min(reach + (i - 2) * step, 2 * reach))
            total.add_(padded.narrow(axis, start, length), alpha=tap)
        image = total
    return image


def _mean(values: torch.Tensor, window: int, step: int) -> torch.Tensor:
    """Return the mean [h, w] over a window of so many px a `step` apart."""
    side = (window - 1) * step // 2 * 2 + 1
    for axis in (0, 1):
        reach = min(side // 2, values.shape[axis] - 1)
        pad = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
        padded = functional.pad(values[None, None], pad, mode="reflect")
        kernel = (2 * reach + 1, 1) if axis == 0 else (1, 2 * reach + 1)
        values = functional.avg_pool2d(padded, kernel, 1)[0, 0]
    return values
