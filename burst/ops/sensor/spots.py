"""Small spots that are brighter than their surroundings, and whether their edges are sharp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np
import torch
from torch.nn import functional

from burst.ops.filters import BAND, by_bands

SIGNIFICANT = 6.0  # standard deviations; one pixel of 5e8 by chance
# A point of 1 px full width at half maximum, centred on its pixel, leaves 15 % of its peak in the
# pixels beside it, and a line that jitters by 0.3 px rms 9 %; crosstalk of pixels is below 3 %.
LEAK = 0.06
BLOCK = 3  # px, largest side of rectangles that are searched for on slopes of the scene
LARGEST = 5  # px, of a spot along both axes
PROMINENT = 8.0  # times the texture around it; the height of a spot that is no texture

_BOX = np.ones((3, 3), np.uint8)
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(frozen=True)
class Spots:
    """Spots above their surroundings: labels [h, w], from 1 on, and for each label [k]:

    height   of its weakest pixel above the surroundings
    above    of its weakest pixel above the brightest pixel that touches it
    reach    range of the values that touch it
    leak     mean height of the pixels beside it
    largest  largest height of the pixels beside it
    noise    standard deviation there
    texture  interquartile range of the surroundings
    """

    labels: np.ndarray
    height: np.ndarray
    above: np.ndarray
    reach: np.ndarray
    leak: np.ndarray
    largest: np.ndarray
    noise: np.ndarray
    texture: np.ndarray
    device: torch.device

    def is_sharp(self) -> np.ndarray:
        """Return for each spot [k] whether its edges may be one pixel sharp, in view of noise and
        texture."""
        doubt = (self.texture + self.noise) / 2
        ends = self.leak < LEAK * self.height + doubt
        ends &= self.largest < 2 * LEAK * self.height + 2 * self.texture + 3 * self.noise
        return np.asarray(ends & (self.above > 0.5 * self.reach + SIGNIFICANT * self.noise))

    def is_surely_sharp(self) -> np.ndarray:
        """Return for each spot [k] whether its edges are one pixel sharp in spite of noise and
        texture."""
        doubt = (self.texture + self.noise) / 2
        ends = (self.leak + doubt < LEAK * self.height) & (self.height > PROMINENT * self.texture)
        return np.asarray(ends & self.is_sharp())

    def mask_of(self, chosen: np.ndarray) -> torch.Tensor:
        """Return the pixels [h, w] of the chosen spots."""
        pixels = np.concatenate([[False], chosen])[self.labels]
        return torch.from_numpy(pixels).to(self.device)

    @property
    def mask(self) -> torch.Tensor:
        """The pixels [h, w] of all spots."""
        return torch.from_numpy(self.labels > 0).to(self.device)


def surroundings(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return median and interquartile range [h, w] of 16 pixels on a square at 4 px from each
    pixel."""
    middle, spread = by_bands(_median_and_range, values, LARGEST - 1)
    return middle, spread


def _median_and_range(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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
    """Yield the compared pairs of a sorting network, in order (Batcher's odd-even merge sort)."""
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


def find_spots(
    values: torch.Tensor,
    sigma: torch.Tensor,
    base: torch.Tensor,
    spread: torch.Tensor,
    blocks: torch.Tensor | None = None,
) -> Spots:
    """Find and measure small spots of values [h, w] whose noise is `sigma` [h, w].

    `base` and `spread` [h, w] are median and interquartile range of the surroundings; `blocks`
    [h, w] are spots that are known already.
    """
    found, _ = islands((values - base > SIGNIFICANT * sigma + spread).cpu().numpy())
    small = fits_cluster(found)[found]
    if blocks is not None:
        known = blocks.cpu().numpy()
        small = known | (small & (_dilated(known, _BOX) == 0))
    labels, count = islands(small)
    if not count:
        none = np.zeros(0, np.float32)
        return Spots(labels, none, none, none, none, none, none, none, values.device)
    touching, beside = (_dilated(labels, shape) * (labels == 0) for shape in (_BOX, _CROSS))
    return _measured(values, (values - base, sigma, spread), (labels, touching, beside), count)


def _measured(
    values: torch.Tensor,
    others: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    count: int,
) -> Spots:
    level, rise, noise, texture = (each.cpu().numpy() for each in (values, *others))
    inside, touching, beside = labels

    def largest(image: np.ndarray, where: np.ndarray) -> np.ndarray:
        chosen = where > 0
        # A spot whose surroundings all belong to other spots has none: nothing is above it.
        result = np.full(count + 1, -np.inf, np.float32)
        np.maximum.at(result, where[chosen], image[chosen])
        return result[1:]

    chosen = beside > 0
    total = np.bincount(beside[chosen], rise[chosen], count + 1)[1:]
    highest = largest(level, touching)
    return Spots(
        inside,
        # The weakest pixel: the wings of a star fade into the noise, a defect ends abruptly.
        height=-largest(-rise, inside),
        above=-largest(-level, inside) - highest,
        reach=highest + largest(-level, touching),
        leak=total / np.maximum(np.bincount(beside[chosen], minlength=count + 1)[1:], 1),
        largest=largest(rise, beside),
        noise=largest(noise, inside),
        texture=largest(texture, inside),
        device=values.device,
    )


def find_blocks(values: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find small rectangles whose pixels are all brighter, or all darker, than the pixels that
    touch them; return two masks [h, w].

    A cluster on a slope of the scene does not exceed its surroundings, but still has sharp edges.
    """
    above, below = (torch.zeros_like(values, dtype=torch.bool) for _ in range(2))
    for first in range(0, max(1, len(values) - BLOCK - 1), BAND):
        band = slice(first, first + BAND + BLOCK + 1)  # every rectangle lies within one
        masks = above[band], below[band]
        for rows, columns in np.ndindex(BLOCK, BLOCK):
            if rows or columns:
                _mark_blocks(values[band], sigma[band], (rows + 1, columns + 1), masks)
    return above, below


def _mark_blocks(
    values: torch.Tensor,
    sigma: torch.Tensor,
    shape: tuple[int, int],
    found: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Mark rectangles of one shape in the two masks `found` [h, w]; none at the border."""
    (tall, wide), margin = shape, SIGNIFICANT * sigma[1 : -shape[0], 1 : -shape[1]]
    both = torch.stack([values, -values])
    inner, level, upright = (_largest(both, size) for size in (shape, (1, wide + 2), (tall, 1)))
    # Both signs at once: the largest value of -x is minus the smallest of x.
    rows = level[:, : -tall - 1], level[:, tall + 1 :]
    columns = upright[:, 1:-1, : -wide - 1], upright[:, 1:-1, wide + 1 :]
    sides = torch.stack((*rows, *columns)).amax(0)
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


def fits_cluster(labels: np.ndarray, thin: bool = False) -> np.ndarray:
    """Return for each label, 0 included, whether it is as small as a cluster; with `thin`, lines of
    up to 2 px in width may be long."""
    sides = np.zeros((2, int(labels.max()) + 1), int)
    for side, places in zip(sides, np.nonzero(labels), strict=True):
        first = np.full_like(side, max(labels.shape))
        np.minimum.at(first, labels[labels > 0], places)
        np.maximum.at(side, labels[labels > 0], places + 1)
        side -= first
    small: np.ndarray = (sides.max(0) <= LARGEST) | (thin & (sides.min(0) <= 2))
    small[0] = False
    return small


def islands(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the islands of a mask [h, w], numbered from 1, as labels [h, w], and their number."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return np.asarray(labels), count - 1


def _dilated(labels: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the largest label [h, w] within a shape [3, 3] about each pixel."""
    return np.asarray(cv2.dilate(labels.astype(np.float32), shape)).astype(int)
