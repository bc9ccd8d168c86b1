"""Find what of a sensor measures no light: pixels, clusters, rows and columns.

Three facts tell a defect from the scene, and each is asked only where it can answer:
- a pixel without noise is stuck: light that varied by less than its own shot noise is no light;
- a time-mean far below black is no light;
- a defect is sharper than optics: the point spread function of a lens leaves light beside
  whatever it images, and motion spreads it further, while a defect ends with its pixel.
In a scene that stands still and holds steps as sharp as a pixel, such as a rendered chart, the
third says nothing, and only the first two count beyond a single pixel.

Statistics are made where the frames are; the maps [h, w] of them are looked at on the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage, special, stats

from burst.ops.noise import BINS, CURVE_POINTS, clipped_moments, hot_pixels, lowest_linear, one_dn
from burst.records import NoiseModel, Sensor

FRAMES_AT_ONCE = 10
SIGNIFICANT = 6.0  # deviations; one pixel of 5e8 by chance
LEAST_DEVIATION = 0.7  # DN; of less noise rounding leaves too little to see
RARE = 1e-7  # chance per pixel that noise alone looks frozen
# A point of 1 px full width at half maximum, centred on its pixel, leaves 15 % of its peak in the
# pixels beside it, and a line that jitters by LEAST_MOTION 9 %; crosstalk of pixels is below 3 %.
LEAK = 0.06
DOUBTED = 1.5  # how much larger than fitted the variance of noise may be
FEWEST_RESTLESS = 6  # frames
LEAST_MOTION = 0.3  # px rms
BLOCK = 3  # px, of rectangles that are looked for on slopes of the scene
LARGEST = 5  # px, of a cluster along both axes
LONGEST = 16  # rows or columns side by side; more cannot be interpolated
NEVER = 1e-4  # DN^2; one step of one DN in 10^4 frames: less is the rounding of means
MOST_ODD = 0.02  # share of pixels; more of them are what the source does, not single defects
MOST_LINES = 0.1  # share of the rows or columns
WHOLE = 0.9  # share of a row or column that has to agree
SHARP_STEPS = 20  # steps of one pixel that make a scene as sharp as a defect
SHARP_SHARE = 1e-3  # and their share of all: photographs have 5e-4, drawings from 4e-3 on
PLAIN = 8.0  # how many times higher than the texture about it a spot stands that is plainly seen

NONE = {"pixels": 0, "clusters": 0, "rows": 0, "columns": 0}

_BOX = np.ones((3, 3), bool)
_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class Defects:
    """What measures no light: a mask [h, w], and how many of each kind there are."""

    mask: torch.Tensor
    pixels: int
    clusters: int
    rows: int
    columns: int

    @property
    def counts(self) -> dict[str, int]:
        """How many there are, by kind."""
        return {kind: getattr(self, kind) for kind in NONE}


@dataclass(frozen=True)
class _Maps:
    """Mean and variance over time, the variance that noise explains [h, w]; frames; one DN."""

    mean: np.ndarray
    variance: np.ndarray
    expected: np.ndarray
    free: np.ndarray  # [h, w] bool, whether clipping takes nothing of the noise there
    count: int
    step: float

    @property
    def sigma(self) -> np.ndarray:
        """The standard deviation of the mean [h, w]."""
        return np.sqrt(self.expected / self.count)

    def turned(self) -> _Maps:
        """Return the maps with rows for columns."""
        maps = (self.mean.T, self.variance.T, self.expected.T, self.free.T)
        return _Maps(*maps, self.count, self.step)


def find_defects(linear: torch.Tensor, noise: NoiseModel, sensor: Sensor) -> Defects:
    """Find the defects of frames [n, h, w].

    Of display-encoded frames the noise is not looked at: cameras and codecs smooth and freeze it.
    """
    lowest, step, raw = lowest_linear(sensor), one_dn(sensor), sensor.transfer == "linear"
    maps = _measure(linear, noise, lowest, step)
    moves = _moves(maps)
    dark = _below_black(maps, noise, lowest)
    rows = _lines(maps, dark, moves)
    columns = _lines(maps.turned(), dark.T, moves)
    lines = rows[:, None] | columns[None]
    single = hot_pixels(linear, noise).cpu().numpy() & ~_is_star(maps)
    points = _spots(maps, single, dark, lines, moves)
    points = (points | _frozen(maps) | _restless(maps) if raw else points) & ~lines
    found, kinds = ndimage.label(points, _BOX)
    size = np.bincount(found.ravel(), minlength=kinds + 1)[1:]
    return Defects(
        torch.from_numpy(points | lines).to(linear.device),
        pixels=int((size == 1).sum()),
        clusters=int((size > 1).sum()),
        rows=int(rows.sum()),
        columns=int(columns.sum()),
    )


def _measure(linear: torch.Tensor, noise: NoiseModel, lowest: float, step: float) -> _Maps:
    mean = linear.mean(0)
    total = torch.zeros_like(mean)
    for chunk in linear.split(FRAMES_AT_ONCE):
        total += (chunk - mean).square().sum(0)
    # No light is below 0: what lies lower is expected to vary as darkness does.
    level, variance = clipped_moments(np.linspace(0, 1.2, CURVE_POINTS), noise, lowest)
    average = mean.cpu().numpy().astype(np.float64)
    found = (total / max(len(linear) - 1, 1)).cpu().numpy().astype(np.float64)
    return _Maps(
        mean=average,
        variance=found,
        expected=_no_more(np.interp(average, level, variance), found, average, step),
        free=_unclipped(average, noise, lowest),
        count=len(linear),
        step=step,
    )


def _no_more(
    expected: np.ndarray, found: np.ndarray, mean: np.ndarray, step: float
) -> np.ndarray:
    """Lower the expected variance [h, w] to what was found, where all of one brightness has less.

    Light that stands still varies by its noise alone, while the fit took fine detail for noise.
    """
    bins = max(1, min(BINS, mean.size // 200))
    edges = np.quantile(mean, np.linspace(0, 1, bins + 1))
    place = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, bins - 1)
    every, alive = np.arange(bins), found > NEVER * step**2
    with np.errstate(invalid="ignore"):
        least = ndimage.median(found[alive], place[alive], every)
        ratio = least / ndimage.median(expected[alive], place[alive], every)
    return np.asarray(expected * np.minimum(np.nan_to_num(ratio, nan=1.0), 1)[place])


def _unclipped(mean: np.ndarray, noise: NoiseModel, lowest: float) -> np.ndarray:
    """Tell where [h, w] noise would show: not near white, nor near DN 0 if that is black."""
    bright = mean + 4 * np.sqrt(noise.shot * mean.clip(0) + noise.read) < 1
    dark = noise.std(0)
    return np.asarray(bright & ((lowest < -dark / 2) | (mean > lowest + 4 * dark)))


def _moves(maps: _Maps) -> bool:
    """Tell whether the scene moves by LEAST_MOTION or more, as its steepest places show."""
    down, across = np.gradient(maps.mean)
    steep = down**2 + across**2 - maps.sigma**2
    chosen = steep >= np.quantile(steep, 0.95)
    # A pixel of slope g that moves by j along each axis varies by (g j)^2 beyond its noise.
    excess = (maps.variance - maps.expected)[chosen]
    doubt = np.median(maps.expected[chosen]) * (2 / (maps.count * chosen.sum())) ** 0.5
    needed = LEAST_MOTION**2 * np.maximum(steep[chosen], 0)
    return bool(np.median(excess - needed) > 0 and np.median(excess) > SIGNIFICANT * doubt)


def _below_black(maps: _Maps, noise: NoiseModel, lowest: float) -> np.ndarray:
    """Tell which pixels [h, w] lie further below black than noise and its drift can take them."""
    limit = max(SIGNIFICANT * noise.std(0), 4 * maps.step, 0.25 * abs(lowest))
    return np.asarray(maps.mean < -limit)


def _lines(maps: _Maps, dark: np.ndarray, moves: bool) -> np.ndarray:
    """Find rows [h] that are dead, hot or stuck."""
    least = LEAST_DEVIATION**2 if maps.count >= 8 else 4.0  # DN^2; of few frames many agree by rounding alone
    expected, variance = np.median(maps.expected, 1), np.median(maps.variance, 1)
    usual = np.median(variance)
    ratio = variance / np.maximum(expected, 1e-16)
    around = ndimage.median_filter(ratio, 2 * LONGEST + 1, mode="mirror")
    frozen = (expected > least * maps.step**2) & (ratio < 0.1 * np.minimum(around, 1))
    frozen &= maps.free.mean(1) > WHOLE
    sure = frozen | (dark.mean(1) > WHOLE)
    constant = (maps.variance.max(1) < NEVER * maps.step**2) & (np.ptp(maps.mean, 1) < maps.step / 2) & (usual > 0)
    flat = np.median(np.abs(maps.mean), 1) < 3 * np.median(maps.sigma, 1) + maps.step
    found = sure.copy()
    for first, last in _sharp_blocks(maps):
        rows = slice(first, last + 1)
        at_border = first == 0 or last == len(sure) - 1
        if constant[rows].all() or (moves and not at_border) or (at_border and flat[rows].all()):
            found[rows] = True
    return found if found.mean() <= MOST_LINES else np.zeros_like(found)


def _sharp_blocks(maps: _Maps) -> list[tuple[int, int]]:
    """Return first and last row of bands that end as sharp as pixels do over the whole width."""
    begins = _sharp_begins(maps.mean, maps.sigma)
    ends = _sharp_begins(maps.mean[::-1], maps.sigma[::-1])[::-1]
    begins[0] = ends[-1] = True
    height, taken, blocks = len(begins), np.zeros(len(begins), bool), []
    for length in range(1, min(LONGEST, height - 1) + 1):
        for first in np.flatnonzero(begins[: height - length + 1] & ends[length - 1 :]):
            rows = slice(first, first + length)
            if not taken[rows].any():
                taken[rows] = True
                blocks.append((int(first), int(first) + length - 1))
    return blocks


def _sharp_begins(mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Tell which rows [h] differ from the row above, which hardly differs from the one above it."""
    change = np.diff(mean, axis=0, prepend=mean[:1])
    slope = np.concatenate([change[:1], change[:-1]])
    plain = np.abs(change) > SIGNIFICANT * np.sqrt(2) * sigma
    leak = np.median(slope * np.sign(change), 1) / np.maximum(np.median(np.abs(change), 1), 1e-16)
    return np.asarray((plain.mean(1) > WHOLE) & (np.abs(leak) < LEAK))


def _frozen(maps: _Maps) -> np.ndarray:
    """Find pixels [h, w] that vary by far less than noise does, while those about them vary."""
    deviation = np.sqrt(maps.expected) / maps.step
    # The chance that all frames round to one DN; of the rest, chi-square tells.
    alike = special.erf(0.5 / np.maximum(deviation, 1e-6) / np.sqrt(2)) ** (maps.count - 1)
    quiet = stats.chi2.ppf(RARE, maps.count - 1) / max(maps.count - 1, 1)
    around = ndimage.median_filter(maps.variance, 7, mode="nearest")
    found = (alike < RARE) & (maps.variance < quiet * maps.expected) & maps.free
    found &= deviation > LEAST_DEVIATION
    found &= maps.variance < 0.1 * around
    labels, _ = ndimage.label(found, _BOX)
    kept = _no_larger(labels, thin=True)[labels]
    return kept if kept.mean() <= MOST_ODD else np.zeros_like(kept)


def _is_star(maps: _Maps) -> np.ndarray:
    """Tell which pixels [h, w] have light in all four pixels beside them, as a star has."""
    star = np.zeros(maps.mean.shape, bool)
    for sign in (1, -1):
        values = sign * maps.mean
        base, spread = _surroundings(values)
        beside = np.stack([_moved(values, *by) for by in ((-1, 0), (1, 0), (0, -1), (0, 1))])
        light = beside - base
        lit = (light > 2 * np.maximum(maps.sigma, spread)).all(0)
        star |= lit & (light.mean(0) > LEAK * (values - base)) & (values > base)
    return star


def _spots(
    maps: _Maps, single: np.ndarray, dark: np.ndarray, lines: np.ndarray, moves: bool
) -> np.ndarray:
    """Find pixels and clusters [h, w] that end as sharp as pixels do, `single` ones among them;
    `dark` [h, w] are too dark to be light, and `lines` [h, w] are known as defects."""
    bright, no_light = (_rising(sign * maps.mean, maps.sigma) for sign in (1, -1))
    impossible = no_light.where(no_light.sharp()) & dark
    if moves:
        found = single | bright.where(bright.sharp()) | no_light.where(no_light.sharp())
    else:
        found = bright.where(bright.sharpest()) | no_light.where(no_light.sharpest())
        apart = ~ndimage.binary_dilation(bright.any | no_light.any | lines, _BOX, 4)
        found = np.zeros_like(found) if _is_sharp(maps, apart) else found
        found |= single & dark
    found |= impossible
    return found if found.mean() <= MOST_ODD else single & found


def _restless(maps: _Maps) -> np.ndarray:
    """Find spots [h, w] that vary by more than noise and whatever moves beside them."""
    if maps.count < FEWEST_RESTLESS:
        return np.zeros(maps.mean.shape, bool)
    excess = np.sqrt(np.maximum(maps.variance - DOUBTED * maps.expected, 0))
    by_chance = stats.chi2.isf(RARE, maps.count - 1) / (maps.count - 1)
    rising = _rising(excess, np.sqrt(by_chance * maps.expected) / SIGNIFICANT)
    spots = rising.where(rising.sharp())
    return spots if spots.mean() <= MOST_ODD else np.zeros_like(spots)


@dataclass(frozen=True)
class _Rising:
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

    def where(self, chosen: np.ndarray) -> np.ndarray:
        """Return the pixels [h, w] of the chosen spots."""
        return np.asarray(np.concatenate([[False], chosen])[self.labels])

    @property
    def any(self) -> np.ndarray:
        """The pixels [h, w] of all spots."""
        return np.asarray(self.labels > 0)


def _rising(values: np.ndarray, sigma: np.ndarray) -> _Rising:
    """Find small spots of values [h, w] above their surroundings, and measure them."""
    base, spread = _surroundings(values)
    rise = values - base
    labels, _ = ndimage.label(rise > SIGNIFICANT * sigma + spread, _BOX)
    small = _no_larger(labels)[labels] | _blocks(values, sigma)
    labels, count = ndimage.label(small, _BOX)
    every, free = np.arange(1, count + 1), labels == 0
    if not count:
        return _Rising(labels, *np.zeros((7, 0)))
    touching = ndimage.grey_dilation(labels, footprint=_BOX) * free
    beside = ndimage.grey_dilation(labels, footprint=_CROSS) * free
    with np.errstate(invalid="ignore"):  # what is beside a spot may be taken up by another
        leak = ndimage.mean(rise, beside, every)
    highest = _maximum(values, touching, every)
    return _Rising(
        labels,
        # The weakest pixel: a star's wings fade into the noise, and a defect ends at its height.
        height=-_maximum(-rise, labels, every),
        above=-_maximum(-values, labels, every) - highest,
        reach=highest + _maximum(-values, touching, every),
        leak=leak,
        largest=_maximum(rise, beside, every),
        noise=_maximum(sigma, labels, every),
        texture=_maximum(spread, labels, every),
    )


def _blocks(values: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Find rectangles [h, w] of few pixels that stand above all that touches them.

    A cluster on a slope of the scene is no island above its surroundings, but still ends sharply.
    """
    height, width = values.shape
    padded = np.pad(values, (1, BLOCK), mode="reflect")
    found = np.zeros(padded.shape, bool)
    for rows, columns in np.ndindex(BLOCK, BLOCK):
        shape = (rows + 1, columns + 1)
        around = {
            (y, x): padded[y : y + height, x : x + width]
            for y in range(shape[0] + 2)
            for x in range(shape[1] + 2)
        }
        inside = [v for (y, x), v in around.items() if 0 < y <= shape[0] and 0 < x <= shape[1]]
        outside = [v for (y, x), v in around.items() if not (0 < y <= shape[0] and 0 < x <= shape[1])]
        highest = np.maximum.reduce(outside)
        reach = highest - np.minimum.reduce(outside)
        stands = np.minimum.reduce(inside) > highest + 0.5 * reach + SIGNIFICANT * sigma
        for y, x in np.argwhere(stands):
            found[y : y + shape[0], x : x + shape[1]] = True
    return found[:height, :width]


def _maximum(values: np.ndarray, labels: np.ndarray, every: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.maximum(values, labels, every))


def _is_sharp(maps: _Maps, apart: np.ndarray) -> bool:
    """Tell whether the scene has steps of one pixel, as drawn ones have, `apart` [h, w] from
    whatever may be a defect."""
    sharp, strong = 0, 0
    for one, away in ((maps, apart), (maps.turned(), apart.T)):
        change = np.abs(np.diff(one.mean, axis=1))
        flanks = np.max([np.roll(change, by, axis=1) for by in (-2, -1, 1, 2)], axis=0)
        noise = SIGNIFICANT * one.sigma[:, 1:]
        plain = (change > 3 * noise) & away[:, 1:]
        strong += int(plain[:, 2:-2].sum())
        sharp += int((plain & (flanks < LEAK * change + noise / 3))[:, 2:-2].sum())
    return sharp >= max(SHARP_STEPS, SHARP_SHARE * strong)


def _surroundings(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return median and interquartile range [h, w] of 16 pixels on the square at 4 px from each."""
    reach = LARGEST - 1
    padded = np.pad(values, reach, mode="reflect")
    h, w = values.shape
    places = [
        (y, x)
        for y in range(0, 2 * reach + 1, 2)
        for x in range(0, 2 * reach + 1, 2)
        if y in (0, 2 * reach) or x in (0, 2 * reach)
    ]
    ring = np.stack([padded[y : y + h, x : x + w] for y, x in places])
    ring.sort(axis=0)
    return (ring[7] + ring[8]) / 2, ring[11] - ring[4]


def _moved(values: np.ndarray, dy: int, dx: int) -> np.ndarray:
    padded = np.pad(values, 1, mode="reflect")
    return padded[1 + dy : 1 + dy + values.shape[0], 1 + dx : 1 + dx + values.shape[1]]


def _no_larger(labels: np.ndarray, thin: bool = False) -> np.ndarray:
    """Tell of each label, 0 first, whether it fits into a cluster; `thin` lets lines be long."""
    small = [False]
    for box in ndimage.find_objects(labels):
        sides = sorted(side.stop - side.start for side in box)
        small.append(sides[1] <= LARGEST or (thin and sides[0] <= 2))
    return np.array(small)
