"""Take out the noise that is left, of which an example tells how strong it is where.

Overlapping squares are transformed by the cosine transform, of brightness and of two differences of
colours; coefficients that stand out of the noise make a first image, by whose coefficients all are
then weighed (Wiener; as the two steps of Dabov et al., IEEE Trans. Image Process. 16, 2080, 2007,
without their groups).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from burst.ops.filters import box_mean

SIDE, APART = 8, 3  # px of a square, and from one to the next
STANDS_OUT = 2.7  # standard deviations (Dabov et al., table 1)
AROUND = 9  # squares along a side, over which the energy of the noise is averaged
BAND, MARGIN = 192, 36  # rows at once and around them, multiples of `APART`


def shrink(image: torch.Tensor, noise: torch.Tensor, strength: float) -> torch.Tensor:
    """Return an image [c, h, w] with less noise; `noise` [c, h, w] is an example of what it
    carries."""
    result = torch.empty_like(image)
    for first in range(0, image.shape[1], BAND):
        above = min(first, MARGIN)
        rows = slice(first - above, first + BAND + MARGIN)
        clean = _of_colours(image[:, rows], noise[:, rows], strength)
        result[:, first : first + BAND] = clean[:, above : above + BAND]
    return result


def _of_colours(image: torch.Tensor, noise: torch.Tensor, strength: float) -> torch.Tensor:
    if len(image) == 1:
        return _shrunk(image[0], noise[0], strength)[None]
    grey, red, blue = (
        _shrunk(part, example, strength)
        for part, example in zip(_apart(image), _apart(noise), strict=True)
    )
    green = grey - (red + blue) / 4
    return torch.stack([red + green, green, blue + green])


def _apart(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    red, green, blue = image.unbind(0)
    return (red + 2 * green + blue) / 4, red - green, blue - green


def _shrunk(image: torch.Tensor, noise: torch.Tensor, strength: float) -> torch.Tensor:
    """Return an image [h, w] with coefficients weighed by their energy over the noise's."""
    size = image.shape
    # Squares reach over all borders, so that every pixel lies in equally many.
    fill = [SIDE + (-(n + 2 * SIDE - SIDE)) % APART for n in size]
    pad = (SIDE, fill[1], SIDE, fill[0])
    mode = "reflect" if min(size) > max(fill) else "replicate"
    image, noise = (
        functional.pad(part[None, None], pad, mode=mode)[0, 0] for part in (image, noise)
    )
    coefficients, examples = _squares(image), _squares(noise)
    grid = [(n - SIDE) // APART + 1 for n in image.shape]
    energy = examples.square_().reshape(1, -1, *grid)
    energy = box_mean(energy, AROUND)
    energy = strength * energy[0].flatten(1)
    stands = coefficients.square() > STANDS_OUT**2 * energy
    stands[0] = True  # the mean
    left = (energy * stands).sum(0)
    first = _squares(_together(coefficients * stands, left, image.shape)).square_()
    share = first.div_((first + energy).clamp_(min=1e-20))
    left = share.square().mul_(energy).sum(0)
    clean = _together(coefficients * share, left, image.shape)
    return clean[SIDE : SIDE + size[0], SIDE : SIDE + size[1]]


def _squares(image: torch.Tensor) -> torch.Tensor:
    """Return the cosine transform [k, l] of all squares of an image [h, w]."""
    waves = _basis(image).reshape(-1, 1, SIDE, SIDE)
    return functional.conv2d(image[None, None], waves, stride=APART)[0].flatten(1)


def _together(coefficients: torch.Tensor, left: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Return the image [h, w] that is the mean of squares with coefficients [k, l], which count by
    one over the energy [l] of the noise that is left in them (Dabov et al., equations 10 and
    11): squares that lie beside an edge more than those across it."""
    trust = 1 / left.clamp(min=1e-20)
    squares = _basis(coefficients).T @ (coefficients * trust)
    total: torch.Tensor = functional.fold(squares[None], tuple(size), SIDE, stride=APART)[0, 0]
    grid = [(side - SIDE) // APART + 1 for side in size]
    ones = trust.new_ones(1, 1, SIDE, SIDE)
    counts = functional.conv_transpose2d(trust.reshape(1, 1, *grid), ones, stride=APART)
    return total.div_(counts[0, 0])


def _basis(like: torch.Tensor) -> torch.Tensor:
    """Return the cosine transform of squares [k, k]."""
    place = torch.arange(SIDE, dtype=torch.float64)
    rows = torch.cos(math.pi * (place + 0.5) * place[:, None] / SIDE) * math.sqrt(2 / SIDE)
    rows[0] /= math.sqrt(2)
    return torch.kron(rows, rows).to(like)
