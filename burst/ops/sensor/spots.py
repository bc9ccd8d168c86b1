"""Small spots of an image that stand above their surroundings, and whether they end sharply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

SIGNIFICANT = 6.0  # deviations; one pixel of 5e8 by chance
# A point of 1 px full width at half maximum, centred on its pixel, leaves 15 % of its peak in the
# pixels beside it, and a line that jitters by 0.3 px rms 9 %; crosstalk of pixels is below 3 %.
LEAK = 0.06
BLOCK = 3  # px, of rectangles that are looked for on slopes of the scene
LARGEST = 5  # px, of a spot along both axes
PLAIN = 8.0  # how many times higher than the texture about it a spot stands that is plainly seen

BOX = np.ones((3, 3), bool)
_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class Rising:
    """Spots that rise above their surroundings: labels [h, w], and of each label from 1 on: by how
    much its weakest pixel does, and does so over what touches it, whose values `reach` so far; the
    mean and the largest rise of the pixels beside it; noise and texture about it."""

    labels: np.ndarray
    height: np.ndarray
    above: np.ndarray
    reach: np.ndarray
    leak: np.ndarray
    largest: np.ndarray
    noise: np.ndarray
    texture: np.ndarray
    device: torch.device

    def sharp(self) -> np.ndarray:
        """Tell of each spot whether it ends with its pixels, as far as its surroundings tell."""
        doubt = (self.texture + self.noise) / 2
        ends = self.leak < LEAK * self.height + doubt
        ends &= self.largest < 2 * LEAK * self.height + 2 * self.texture + 3 * self.noise
        return np.asarray(ends & (self.above > 0.5 * self.reach + SIGNIFICANT * self.noise))

    def sharpest(self) -> np.ndarray:
        """Tell of each spot whether it surely ends with its pixels, whatever is around it."""
        doubt = (self.texture + self.noise) / 2
        ends = (self.leak + doubt < LEAK * self.height) & (self.height > PLAIN * self.texture)
        return np.asarray(ends & self.sharp())

    def where(self, chosen: np.ndarray) -> torch.Tensor:
        """Return the pixels [h, w] of the chosen spots."""
        pixels = np.concatenate([[False], chosen])[self.labels]
        return torch.from_numpy(pixels).to(self.device)

    @property
    def any(self) -> torch.Tensor:
        """The pixels [h, w] of all spots."""
        return torch.from_numpy(self.labels > 0).to(self.device)


def surroundings(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return median and interquartile range [h, w] of 16 pixels on the square at 4 px from each."""
    reach = LARGEST - 1
    padded = functional.pad(values[None], (reach,) * 4, mode="reflect")[0]
    height, width = values.shape
    places = [
        (y, x)
        for y in range(0, 2 * reach + 1, 2)
        for x in range(0, 2 * reach + 1, 2)
        if y in (0, 2 * reach) or x in (0, 2 * reach)
    ]
    ring = [padded[y : y + height, x : x + width] for y, x in places]
    for i, j in _comparisons(len(ring)):
        ring[i], ring[j] = torch.minimum(ring[i], ring[j]), torch.maximum(ring[i], ring[j])
    return (ring[7] + ring[8]) / 2, ring[11] - ring[4]


def _comparisons(count: int) -> Iterator[tuple[int, int]]:
    """Yield which pairs to put in order, one after another, to sort (Batcher's odd-even merge)."""
    part = 1
    while part < count:
        gap = part
        while gap:
            for first in range(gap % part, count - gap, 2 * gap):
                for i in range(first, first + min(gap, count - first - gap)):
                    if i // (2 * part) == (i + gap) // (2 * part):
                        yield i, i + gap
            gap //= 2
        part *= 2


def find_rising(
    values: torch.Tensor,
    sigma: torch.Tensor,
    base: torch.Tensor,
    spread: torch.Tensor,
    blocks: torch.Tensor | None = None,
) -> Rising:
    """Find small spots of values [h, w] with noise sigma above the level `base` of surroundings
    that `spread`, and measure them; `blocks` [h, w] are spots that were found otherwise."""
    islands, _ = ndimage.label((values - base > SIGNIFICANT * sigma + spread).cpu().numpy(), BOX)
    small = no_larger(islands)[islands]
    if blocks is not None:
        known = blocks.cpu().numpy()
        small = known | (small & ~ndimage.binary_dilation(known, BOX))
    labels, count = ndimage.label(small, BOX)
    if not count:
        none = np.zeros(0, np.float32)
        return Rising(labels, none, none, none, none, none, none, none, values.device)
    touching = ndimage.grey_dilation(labels, footprint=BOX) * (labels == 0)
    beside = ndimage.grey_dilation(labels, footprint=_CROSS) * (labels == 0)
    return _measured(values, (values - base, sigma, spread), (labels, touching, beside), count)


def _measured(
    values: torch.Tensor,
    others: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    count: int,
) -> Rising:
    level, rise, noise, texture = (each.cpu().numpy() for each in (values, *others))
    inside, touching, beside = labels

    def largest(image: np.ndarray, where: np.ndarray) -> np.ndarray:
        chosen = where > 0
        # A spot whose surroundings are all taken up by others has none: nothing is above it.
        result = np.full(count + 1, -np.inf, np.float32)
        np.maximum.at(result, where[chosen], image[chosen])
        return result[1:]

    chosen = beside > 0
    total = np.bincount(beside[chosen], rise[chosen], count + 1)[1:]
    highest = largest(level, touching)
    return Rising(
        inside,
        # The weakest pixel: a star's wings fade into the noise, and a defect ends at its height.
        height=-largest(-rise, inside),
        above=-largest(-level, inside) - highest,
        reach=highest + largest(-level, touching),
        leak=total / np.maximum(np.bincount(beside[chosen], minlength=count + 1)[1:], 1),
        largest=largest(rise, beside),
        noise=largest(noise, inside),
        texture=largest(texture, inside),
        device=values.device,
    )


def blocks(values: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find rectangles [h, w] of few pixels that stand above, or below, all that touches them.

    A cluster on a slope of the scene is no island above its surroundings, but still ends sharply.
    """
    above, below = (torch.zeros_like(values, dtype=torch.bool) for _ in range(2))
    for rows, columns in np.ndindex(BLOCK, BLOCK):
        if rows or columns:
            _mark_blocks(values, sigma, (rows + 1, columns + 1), (above, below))
    return above, below


def _mark_blocks(
    values: torch.Tensor,
    sigma: torch.Tensor,
    shape: tuple[int, int],
    found: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Mark rectangles of one shape in `found` [h, w]; those at the border are left to others."""
    (tall, wide), margin = shape, SIGNIFICANT * sigma[1 : -shape[0], 1 : -shape[1]]
    both = torch.stack([values, -values])
    inner, level, upright = (_largest(both, size) for size in (shape, (1, wide + 2), (tall, 1)))
    # Of both signs at once: the largest value of -x is less its smallest.
    sides = torch.stack(
        [
            level[:, : -tall - 1],
            level[:, tall + 1 :],
            upright[:, 1:-1, : -wide - 1],
            upright[:, 1:-1, wide + 1 :],
        ]
    ).amax(0)
    highest, lowest = sides[0], -sides[1]
    inside_lowest, inside_highest = -inner[1, 1:-1, 1:-1], inner[0, 1:-1, 1:-1]
    need = 0.5 * (highest - lowest) + margin
    for mask, stands in zip(
        found, (inside_lowest > highest + need, inside_highest < lowest - need), strict=True
    ):
        for y, x in stands.nonzero().tolist():
            mask[y + 1 : y + 1 + tall, x + 1 : x + 1 + wide] = True


def _largest(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the largest values in all rectangles of a size (h, w) of images [c, y, x]."""
    for dim, length in zip((1, 2), size, strict=True):
        rest = images.shape[dim] - length + 1
        parts = [images.narrow(dim, first, rest) for first in range(length)]
        images = reduce(torch.maximum, parts)
    return images


def no_larger(labels: np.ndarray, thin: bool = False) -> np.ndarray:
    """Tell of each label, 0 first, whether it fits into a cluster; `thin` lets lines be long."""
    small = [False]
    for box in ndimage.find_objects(labels):
        sides = sorted(side.stop - side.start for side in box)
        small.append(sides[1] <= LARGEST or (thin and sides[0] <= 2))
    return np.array(small)
