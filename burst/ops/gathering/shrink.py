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
ENERGY = (1 / 5,) * 5  # window of a coefficient's energy
AVERAGED = 8  # px at the first level, over which the energy of the noise is averaged; and around
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
        coarse, coarse_noise = (_filtered(part, SPLINE, step) for part in (image, noise))
        detail, example = image - coarse, noise - coarse_noise
        energy = _filtered(detail.square(), ENERGY, step)
        expected = strength * _average(example.square(), AVERAGED * step)
        result += detail * ((energy - expected).clamp(min=0) / energy.clamp(min=1e-20))
        image, noise = coarse, coarse_noise
    return result + image


def _filtered(image: torch.Tensor, taps: tuple[float, ...], step: int) -> torch.Tensor:
    """Return an image [h, w] filtered along both axes by five taps a `step` apart."""
    for axis in (0, 1):
        reach = min(2 * step, image.shape[axis] - 1)
        pad = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
        padded = functional.pad(image[None, None], pad, mode="reflect")[0, 0]
        length, total = image.shape[axis], torch.zeros_like(image)
        for i, tap in enumerate(taps):
            start = max(0, min(reach + (i - 2) * step, 2 * reach))
            total.add_(padded.narrow(axis, start, length), alpha=tap)
        image = total
    return image


def _average(values: torch.Tensor, side: int) -> torch.Tensor:
    """Return the mean [h, w] over squares of a side and those around them, interpolated."""
    size = (values.shape[0], values.shape[1])
    side = min(side, *size)
    squares = functional.avg_pool2d(values[None, None], side, ceil_mode=True)
    around = functional.avg_pool2d(squares, 3, 1, 1, count_include_pad=False)
    whole = functional.interpolate(around, scale_factor=float(side), mode="bilinear")
    return whole[0, 0, : size[0], : size[1]]
