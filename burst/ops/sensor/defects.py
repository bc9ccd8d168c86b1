"""Find a sensor's defects: pixels, clusters, rows and columns that do not measure light.

Three tests distinguish a defect from the scene:
- noise: light has shot noise, so a pixel that varies by less is stuck;
- black: a mean over time far below black is no light;
- sharpness: the point spread function of a lens leaves light beside whatever it images, and motion
  spreads it further, while a defect ends with its pixel.
A scene at rest with steps as sharp as a pixel, such as a rendered chart, makes the third test
meaningless; then only the first two count beyond a single pixel.

Maps [h, w] are made on the device of the frames; spots are counted on the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from burst.ops.noise import chi_square, hot_pixels, lowest_linear
from burst.ops.sensor.pixels import LEAST_VARIANCE, PixelMaps, measure_pixels, scene_moves
from burst.ops.sensor.spots import (
    LEAK,
    SIGNIFICANT,
    find_blocks,
    find_spots,
    fits_cluster,
    islands,
    surroundings,
)
from burst.records import NoiseModel, Sensor

LEAST_DEVIATION = 0.7  # DN; smaller noise vanishes in rounding
RARE = 1e-7  # probability per pixel that noise alone looks frozen
EXCESS = 1.5  # how many times the fitted variance noise may have
FEWEST_BLINKING = 6  # frames in which blinking can be seen
LONGEST = 16  # rows or columns side by side; more cannot be interpolated
# px. In narrower gaps interpolation costs .2 dB at most. To mark them as not valid costs up to 1 dB
# in weak air: few frames show the scene behind them, and are hard to align beside them.
WIDE = 5
ALIKE = 64  # pixels of nearly the same brightness, so many darker and so many brighter ones
# Shares, chosen by hand: of the pixels, above which the source and not the sensor is the cause; of
# the rows or columns; of a row or column that has to agree.
MOST_DEFECTS, MOST_LINES, WHOLE = 0.02, 0.1, 0.9
# A scene is as sharp as defects if it has SHARP_STEPS steps of one pixel between flat places that
# are STEPS of all strong steps (8e-4 in photographs, 4e-3 and more in drawings), or as many that
# are flat on one side and ENDS of all, as thin lines are (.43 among stars of 1.4 px, the most that
# optics gave; .9 if drawn).
SHARP_STEPS, STEPS, ENDS = 20, 1e-3, 0.6

NONE = {"pixels": 0, "clusters": 0, "rows": 0, "columns": 0}


@dataclass(frozen=True)
class Defects:
    """The defective pixels as a mask [h, w], those in gaps too wide to interpolate [h, w], and the
    number of defects by kind."""

    mask: torch.Tensor
    gaps: torch.Tensor
    counts: dict[str, int]


def find_defects(
    linear: torch.Tensor, noise: NoiseModel, sensor: Sensor, known: torch.Tensor | None = None
) -> Defects:
    """Find the defects of frames [n, h, w], besides those that are `known` [h, w].

    The noise of display-encoded frames is not tested: cameras and codecs smooth and freeze it.
    """
    raw = sensor.transfer == "linear"
    maps = measure_pixels(linear, noise, sensor)
    moves = scene_moves(maps)
    dark = _below_black(maps, noise, lowest_linear(sensor))
    rows = _lines(maps, dark, moves)
    columns = _lines(maps.transposed(), dark.T, moves)
    lines = rows[:, None] | columns[None]
    points = _spots(maps, hot_pixels(linear, noise), dark, lines, moves)
    points = (points | _frozen(maps, dark) | _blinking(maps) if raw else points) & ~lines
    points = points if known is None else points | (known & ~lines)
    found, kinds = islands(points.cpu().numpy())
    size = np.bincount(found.ravel(), minlength=kinds + 1)[1:]
    mask = points | lines
    counts = ((size == 1).sum(), (size > 1).sum(), rows.sum(), columns.sum())
    return Defects(mask, _wide_gaps(mask), dict(zip(NONE, map(int, counts), strict=True)))


def _wide_gaps(mask: torch.Tensor) -> torch.Tensor:
    """Return where [h, w] a mask [h, w] contains whole squares of WIDE px; outside the frame it
    counts as true."""
    margin = WIDE // 2
    good = functional.pad((~mask).float()[None, None], (margin,) * 4, mode="replicate")
    inside = functional.max_pool2d(good, WIDE, 1) == 0
    return functional.max_pool2d(inside.float(), WIDE, 1, margin)[0, 0] > 0


def _below_black(maps: PixelMaps, noise: NoiseModel, lowest: float) -> torch.Tensor:
    """Return which pixels [h, w] lie further below black than noise and drift explain, or read DN 0
    in all frames though black is higher."""
    limit = max(SIGNIFICANT * noise.std(0), 4 * maps.step, 0.25 * abs(lowest))
    always_0 = (maps.mean < lowest + maps.step / 2) & (lowest < -noise.std(0) / 2)
    return always_0 | (maps.mean < -limit)


def _lines(maps: PixelMaps, dark: torch.Tensor, moves: bool) -> torch.Tensor:
    """Find rows [h] that are dead, hot or stuck."""
    least = LEAST_DEVIATION**2 if maps.count >= 8 else 4.0  # DN^2; rounding makes few frames equal
    expected, variance = _row_median(maps.expected), _row_median(maps.variance)
    ratio = variance / np.maximum(expected, 1e-16)
    mirrored = np.pad(ratio, LONGEST, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(mirrored, 2 * LONGEST + 1), axis=1)
    frozen = (expected > least * maps.step**2) & (ratio < 0.1 * np.minimum(around, 1))
    found = frozen & (_row_share(maps.unclipped) > WHOLE) | (_row_share(dark) > WHOLE)
    varied = (maps.variance.amax(1) >= LEAST_VARIANCE * maps.step**2).cpu().numpy()
    range_ = (maps.mean.amax(1) - maps.mean.amin(1)).cpu().numpy()
    constant = ~varied & (range_ < maps.step / 2) & bool(np.median(variance) > 0)
    flat = _row_median(maps.mean.abs()) < 3 * _row_median(maps.sigma) + maps.step
    for first, last in _sharp_blocks(maps):
        rows = slice(first, last + 1)
        at_border = first == 0 or last == len(found) - 1
        if constant[rows].all() or (moves and not at_border) or (at_border and flat[rows].all()):
            found[rows] = True
    found = found if found.mean() <= MOST_LINES else np.zeros_like(found)
    return torch.from_numpy(found).to(maps.mean.device)


def _sharp_blocks(maps: PixelMaps) -> list[tuple[int, int]]:
    """Return first and last row of bands whose edges are one pixel sharp over the whole width."""
    begins = _sharp_begins(maps.mean, maps.sigma)
    ends = _sharp_begins(maps.mean.flip(0), maps.sigma.flip(0))[::-1].copy()
    begins[0] = ends[-1] = True
    height, taken, blocks = len(begins), np.zeros(len(begins), bool), []
    for length in range(1, min(LONGEST, height - 1) + 1):
        for first in np.flatnonzero(begins[: height - length + 1] & ends[length - 1 :]):
            rows = slice(first, first + length)
            if not taken[rows].any():
                taken[rows] = True
                blocks.append((int(first), int(first) + length - 1))
    return blocks


def _sharp_begins(mean: torch.Tensor, sigma: torch.Tensor) -> np.ndarray:
    """Return which rows [h] differ from the row above, while that one hardly differs from the row
    above it."""
    change = mean.diff(dim=0, prepend=mean[:1])
    slope = torch.cat([change[:1], change[:-1]])
    plain = change.abs() > SIGNIFICANT * 2**0.5 * sigma
    leak = _row_median(slope * change.sign()) / np.maximum(_row_median(change.abs()), 1e-16)
    return np.asarray((_row_share(plain) > WHOLE) & (np.abs(leak) < LEAK))


def _row_median(values: torch.Tensor) -> np.ndarray:
    """Return the median of each row [h] of values [h, w], on the host."""
    return values.median(dim=1).values.cpu().numpy()


def _row_share(chosen: torch.Tensor) -> np.ndarray:
    """Return the share of each row [h] that is true in [h, w], on the host."""
    return chosen.float().mean(1).cpu().numpy()


def _frozen(maps: PixelMaps, dark: torch.Tensor) -> torch.Tensor:
    """Find pixels [h, w] that vary by far less than noise, while their neighbours vary."""
    deviation = maps.expected.sqrt() / maps.step
    # The probability that all frames round to one DN; for larger noise chi-square gives it.
    alike = torch.erf(0.5 / 2**0.5 / deviation.clamp(min=1e-6)) ** (maps.count - 1)
    quiet = chi_square(RARE, maps.count - 1) / max(maps.count - 1, 1)
    found = (alike < RARE) & (maps.variance < quiet * maps.expected) & maps.unclipped
    found &= deviation > LEAST_DEVIATION
    # A spot of any size that never changes by one DN is no light.
    still = found & (maps.variance < LEAST_VARIANCE * maps.step**2)
    if not 0 < float(found.float().mean()) <= 2 * MOST_LINES:
        return torch.zeros_like(found)
    y, x = found.nonzero(as_tuple=True)
    padded = functional.pad(maps.variance[None], (3, 3, 3, 3), mode="reflect")[0]
    around = torch.stack([padded[y + dy, x + dx] for dy in range(7) for dx in range(7)])
    found[y, x] = maps.variance[y, x] < 0.1 * around.median(0).values
    found[y, x] &= dark[y, x] | (maps.variance[y, x] < 0.1 * _variance_at_brightness(maps, y, x))
    labels, _ = islands(found.cpu().numpy())
    kept = fits_cluster(labels, thin=True)[labels] | still.cpu().numpy()
    return torch.from_numpy(kept & (kept.mean() <= MOST_DEFECTS)).to(found.device)


def _variance_at_brightness(maps: PixelMaps, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return the median variance [k] of pixels as bright as those at y, x [k]."""
    order = maps.mean.flatten().argsort()
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)).to(order))
    varied, at = maps.variance.flatten()[order], place.reshape(maps.mean.shape)[y, x]
    near = torch.arange(-ALIKE, ALIKE + 1, device=at.device)
    return varied[(at[:, None] + near).clamp(0, len(order) - 1)].median(1).values


def _spots(
    maps: PixelMaps, single: torch.Tensor, dark: torch.Tensor, lines: torch.Tensor, moves: bool
) -> torch.Tensor:
    """Find pixels and clusters [h, w] whose edges are one pixel sharp.

    `single` [h, w] are candidates of one pixel, `dark` [h, w] pixels too dark to be light, `lines`
    [h, w] known defects.
    """
    base, spread = surroundings(maps.mean)
    single = single & ~_is_star(maps, base, spread)
    above, below = find_blocks(maps.mean, maps.sigma) if moves else (None, None)
    bright = find_spots(maps.mean, maps.sigma, base, spread, above)
    no_light = find_spots(-maps.mean, maps.sigma, -base, spread, below)
    impossible = no_light.mask_of(no_light.is_sharp()) & dark
    if moves:
        found = single | bright.mask_of(bright.is_sharp()) | no_light.mask_of(no_light.is_sharp())
    else:
        found = bright.mask_of(bright.is_surely_sharp()) | no_light.mask_of(
            no_light.is_surely_sharp()
        )
        # More than 2 px from all defects and their edges.
        near = functional.max_pool2d((bright.mask | no_light.mask | lines).float()[None], 5, 1, 2)
        apart = near[0] == 0
        found = found & (not _is_sharp(maps, apart)) | (single & dark)
    found = found | impossible
    return found if float(found.float().mean()) <= MOST_DEFECTS else single & found


def _is_star(maps: PixelMaps, base: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Return which pixels [h, w] differ from their surroundings together with all four pixels
    beside them, as the image of a star does, bright or dark."""
    padded = functional.pad(maps.mean[None], (1, 1, 1, 1), mode="reflect")[0]
    beside = torch.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    rise = maps.mean - base
    light = (beside - base) * rise.sign()
    lit = (light > 2 * torch.maximum(maps.sigma, spread)).all(0)
    return lit & (light.mean(0) > LEAK * rise.abs())


def _blinking(maps: PixelMaps) -> torch.Tensor:
    """Find spots [h, w] that vary by more than noise and than their surroundings."""
    if maps.count < FEWEST_BLINKING:
        return torch.zeros_like(maps.unclipped)
    excess = (maps.variance - EXCESS * maps.expected).clamp(min=0).sqrt()
    by_chance = chi_square(1 - RARE, maps.count - 1) / (maps.count - 1)
    noise = (by_chance * maps.expected).sqrt() / SIGNIFICANT
    blinking = find_spots(excess, noise, *surroundings(excess))
    spots = blinking.mask_of(blinking.is_sharp())
    return spots & (float(spots.float().mean()) <= MOST_DEFECTS)


def _is_sharp(maps: PixelMaps, apart: torch.Tensor) -> bool:
    """Return whether the scene has steps of one pixel, as drawn ones have, at pixels `apart` [h, w]
    from possible defects."""
    steps, ends, strong = 0, 0, 0
    for one, away in ((maps, apart), (maps.transposed(), apart.T)):
        change = one.mean.diff(dim=1).abs()
        before = torch.maximum(change.roll(1, 1), change.roll(2, 1))
        after = torch.maximum(change.roll(-1, 1), change.roll(-2, 1))
        noise = SIGNIFICANT * one.sigma[:, 1:]
        even = LEAK * change + noise / 3
        plain = ((change > 3 * noise) & away[:, 1:])[:, 2:-2]
        strong += int(plain.sum())
        steps += int((plain & (torch.maximum(before, after) < even)[:, 2:-2]).sum())
        ends += int((plain & (torch.minimum(before, after) < even)[:, 2:-2]).sum())
    return steps >= max(SHARP_STEPS, STEPS * strong) or ends >= max(SHARP_STEPS, ENDS * strong)
