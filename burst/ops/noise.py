"""The noise of a sensor: its model, its estimate from a moving scene, and hot pixels.

Linear values: black 0, white 1. A sensor clips: everything below DN 0 reads `lowest`, slightly
below 0, and everything above white reads 1. The estimate takes that clipping into account, which
changes mean and variance of dark noisy frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch.nn import functional

from burst.mapped import forget
from burst.ops.blocks import in_blocks
from burst.ops.chunks import frames_at_once, frames_in
from burst.ops.filters import by_bands
from burst.records import NoiseModel, Sensor

# Chosen by hand.
FEWEST_IN_BIN = 50  # pixels
BINS = 24
QUANTILE = 0.25  # of the squares in a bin: low, because detail of the scene adds to the rest
CURVE_POINTS = 400
ROUNDING = 12  # the variance of an even distribution over one DN is 1/12 DN^2
# Number of frames whose measurement counts as much as the maker's figures. In fewer, sharp detail
# of a scene at rest may be taken for noise; of more, measured variances of simulated stacks are
# within 5 %.
EQUAL_FRAMES = 20
LARGE = 0.1  # misfits of logarithms from here on count by their absolute value
STEP, FARTHEST, ENOUGH, ROUNDS = 1e-6, 3.0, 1e-9, 100  # numerics of the fit
PRIOR_WEIGHT = 0.4  # in units of LARGE: a maker's figures are good to a quarter


def to_linear(frames: np.ndarray, sensor: Sensor, device: str = "cpu") -> torch.Tensor:
    """Return frames in DN, of any shape, as float32 on a device, with black 0 and white 1."""
    linear = torch.from_numpy(np.array(frames, dtype=np.float32, order="C")).to(device)
    linear = linear.sub_(sensor.black) if sensor.black else linear
    return linear.div_(sensor.white_level - sensor.black)


def linear_frames(
    frames: np.ndarray,
    kept: torch.Tensor | None,
    sensor: Sensor,
    device: str = "cpu",
    memory: int | None = None,
) -> torch.Tensor:
    """Return the kept frames [m] of frames [n, h, w] in DN as `to_linear` does; with a limit of
    `memory` bytes they are read and made linear block by block, whenever they are used."""
    numbers = range(len(frames)) if kept is None else kept.tolist()
    if memory is None:
        chosen = frames if kept is None else frames[kept.cpu().numpy()]
        return to_linear(chosen, sensor, device)

    def read(places: list[int]) -> torch.Tensor:
        which = [numbers[i] for i in places]
        follow = which == list(range(which[0], which[0] + len(which)))
        linear = to_linear(
            frames[which[0] : which[-1] + 1] if follow else frames[which], sensor, device
        )
        forget(frames)
        return linear

    size = (frames.shape[1], frames.shape[2])
    return in_blocks(read, len(numbers), frames_in(memory, size, device))


def to_dn(linear: torch.Tensor, sensor: Sensor) -> np.ndarray:
    """Return linear values of any shape in DN (uint16): rounded, clipped at 0 and white."""
    dn = linear * (sensor.white_level - sensor.black) + sensor.black
    return np.asarray(dn.round().clamp(0, sensor.white_level).cpu().numpy().astype(np.uint16))


def lowest_linear(sensor: Sensor) -> float:
    """Return the linear value of DN 0, at which the sensor clips."""
    return -sensor.black / (sensor.white_level - sensor.black)


def one_dn(sensor: Sensor) -> float:
    """Return one DN in linear units."""
    return 1 / (sensor.white_level - sensor.black)


def noise_curve(
    linear: torch.Tensor, good: torch.Tensor | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Measure level and noise variance [bins] of frames [n, h, w].

    Only windows of 3 x 3 whose pixels are all `good` [h, w] count; None means all.
    """
    return curve_of_windows(*residuals_of_windows(linear, good), len(linear))


def curve_of_windows(
    level: np.ndarray, variance: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return level and noise variance [bins] of windows [k] of `count` frames; all bins hold
    equally many windows."""
    bins = max(1, min(BINS, level.size // (2 * FEWEST_IN_BIN)))
    edges = np.quantile(level, np.linspace(0, 1, bins + 1))
    return variance_by_level(level, variance, edges, count)


def residuals_of_windows(
    linear: torch.Tensor, good: torch.Tensor | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return level and mean square noise residual [k] of the windows of 3 x 3 `good` pixels [h, w]
    of frames [n, h, w]."""
    return in_good_windows(*residual_maps(linear), good)


def residual_maps(linear: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return level and mean square noise residual [h-2, w-2] of all windows of 3 x 3 of frames.

    The variance over time would count moving edges as noise. The mask of Immerkaer (Comput. Vis.
    Image Underst. 64, 300, 1996) suppresses edges and offsets of whole rows.
    """
    # Apple's GPUs know no numbers of 64 bits.
    widest = torch.float32 if linear.device.type == "mps" else torch.float64
    residual = linear.new_zeros(linear.shape[1] - 2, linear.shape[2] - 2, dtype=widest)
    for chunk in linear.split(frames_at_once(linear)):
        residual += noise_residual(chunk).square().sum(0, dtype=widest)
    level = functional.avg_pool2d(linear.mean(0)[None], 3, 1)[0]
    return level.cpu().numpy(), (residual / linear.shape[0]).cpu().numpy()


def in_good_windows(
    level: np.ndarray, variance: np.ndarray, good: torch.Tensor | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values [k] of maps [h-2, w-2] whose windows contain only good pixels [h, w]; all
    values if there are too few such windows."""
    level, variance = level.ravel(), variance.ravel()
    if good is None:
        return level, variance
    whole = good_windows(good).cpu().numpy().ravel()
    enough = np.count_nonzero(whole) >= FEWEST_IN_BIN
    return (level[whole], variance[whole]) if enough else (level, variance)


def good_windows(good: torch.Tensor) -> torch.Tensor:
    """Return which windows of 3 x 3 pixels [h-2, w-2] contain only good ones [h, w]."""
    return functional.avg_pool2d((~good).float()[None], 3, 1)[0] == 0


def variance_by_level(
    level: np.ndarray, variance: np.ndarray, edges: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean level and noise variance [bins] of windows [k], sorted into bins by level.

    The variance is taken from a low quantile of the mean squares over `count` frames, because
    detail of the scene only adds to them; chi-square gives the ratio of that quantile to the mean.
    """
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, bins - 1)
    fewest = min(FEWEST_IN_BIN, level.size)
    filled = [b for b in range(bins) if np.count_nonzero(place == b) >= fewest]
    levels = np.array([level[place == b].mean() for b in filled])
    low = np.array([np.quantile(variance[place == b], QUANTILE) for b in filled])
    return levels, low / (chi_square(QUANTILE, count) / count)


def chi_square(probability: float, degrees: int) -> float:
    """Return the value below which a chi-square variable of so many degrees of freedom lies with
    this probability, by bisection. SciPy gives the same, and takes long to import."""
    half = torch.tensor(degrees / 2, dtype=torch.float64, device="cpu")
    low, high = 0.0, degrees + 100.0
    for _ in range(60):
        middle = (low + high) / 2
        below = float(torch.special.gammainc(half, torch.full_like(half, middle))) < probability
        low, high = (middle, high) if below else (low, middle)
    return low + high


def noise_residual(frames: torch.Tensor) -> torch.Tensor:
    """Return second differences [n, h-2, w-2] with zero mean and the variance of the noise; linear
    slopes and offsets of rows vanish in them."""
    across = frames[..., :-2] - 2 * frames[..., 1:-1] + frames[..., 2:]
    return (across[..., :-2, :] - 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 6


@dataclass(frozen=True)
class Prior:
    """The noise as the maker states it, for a measurement on `count` frames."""

    noise: NoiseModel
    count: int

    @property
    def trust(self) -> float:
        """The weight of the measurement against the prior; 1 for very many frames."""
        return 1 / (1 + (EQUAL_FRAMES / self.count) ** 2)


def fit_noise(
    levels: np.ndarray,
    variances: np.ndarray,
    lowest: float,
    step: float = 0.0,
    prior: Prior | None = None,
) -> NoiseModel:
    """Fit shot and read variance to a measured curve [bins], robustly, with the sensor's clipping.

    Read noise is at least that of rounding to whole DN, step^2 / 12. The prior decides where the
    curve does not: with few frames, in a flat scene, where all is dark or saturated.
    """
    brightest = max(float(levels.max()), 1e-3)
    typical = max(float(np.median(variances)), 1e-12)

    def misfit(parameters: np.ndarray) -> np.ndarray:
        model = NoiseModel(*np.exp(parameters))
        mean, variance = clipped_moments(np.linspace(lowest, 1.2, CURVE_POINTS), model, lowest)
        expected = np.interp(levels, mean, variance)
        found = np.log(expected + 1e-16) - np.log(variances + 1e-16)
        if prior is None:
            return np.asarray(found)
        return np.concatenate([prior.trust * found, PRIOR_WEIGHT * (parameters - known)])

    start = np.log([0.5 * typical / brightest, 0.5 * typical])
    if prior is not None:
        known = np.log([max(prior.noise.shot, 1e-16), max(prior.noise.read, step**2 / ROUNDING)])
        start = known
    shot, read = np.exp(_fitted(misfit, start)).tolist()
    return NoiseModel(shot, max(read, step**2 / ROUNDING))


def _fitted(misfit: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> np.ndarray:
    """Return the parameters [k] whose misfits [m] are least; large ones count by their absolute
    value (Levenberg and Marquardt). `scipy.optimize` gives the same, and takes long to import."""
    at, damping = start, 1e-3
    found = misfit(at)
    for _ in range(ROUNDS):
        root = np.sqrt(1 + (found / LARGE) ** 2)
        slopes = np.stack([(misfit(at + s) - found) / STEP for s in STEP * np.eye(len(at))], axis=1)
        normal, pull = slopes.T @ (slopes / root[:, None]), slopes.T @ (found / root)
        damped = normal + damping * np.diag(normal.diagonal() + 1e-12)
        step = np.linalg.solve(damped, -pull).clip(-FARTHEST, FARTHEST)
        tried = misfit(at + step)
        gain = float((root - np.sqrt(1 + (tried / LARGE) ** 2)).sum())
        damping *= 0.1 if gain > 0 else 10.0
        if gain > 0:
            at, found = at + step, tried
        if abs(gain) < ENOUGH * root.sum():
            break
    return at


def clipped_moments(
    x: np.ndarray, noise: NoiseModel, lowest: float, highest: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the readings of a clipping sensor for true linear values x."""
    sigma = np.sqrt(noise.shot * np.clip(x, 0, None) + noise.read) + 1e-12
    low, high = (lowest - x) / sigma, (highest - x) / sigma
    below, above = (torch.special.ndtr(torch.from_numpy(z)).numpy() for z in (low, -high))
    inside = 1 - below - above
    density_low, density_high = _density(low), _density(high)
    first = density_low - density_high
    second = inside + low * density_low - high * density_high
    mean = lowest * below + highest * above + x * inside + sigma * first
    square = (
        lowest**2 * below + highest**2 * above
        + x**2 * inside + 2 * x * sigma * first + sigma**2 * second
    )  # fmt: skip
    return mean, np.clip(square - mean**2, 0, None)


def undo_clipping(merged: torch.Tensor, noise: NoiseModel, lowest: float) -> torch.Tensor:
    """Remove the bias that clipping gives to the dark parts of an average of frames [h, w]."""
    x = np.linspace(min(lowest, -3 * noise.std(0)), 1.2, 4 * CURVE_POINTS)
    mean, _ = clipped_moments(x, noise, lowest)
    # Where clipping removes most of the signal, noise would be amplified: stop at slope 1/4.
    slope = np.gradient(mean, x)
    usable = (slope > 0.25) & (np.gradient(mean) > 0)
    x, mean = x[usable], mean[usable]
    values = merged.cpu().numpy()
    corrected = np.interp(values, mean, x)
    corrected += np.where(values < mean[0], values - mean[0], 0)
    corrected += np.where(values > mean[-1], values - mean[-1], 0)
    return torch.from_numpy(corrected.astype(np.float32)).to(merged.device)


def hot_pixels(linear: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    """Find pixels [h, w] whose mean over time lies outside the range of their neighbours.

    Optics cannot make a pixel exceed its eight neighbours by more than these differ.
    """
    mean = linear.mean(0)

    def extremes(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        around = neighbours(part[None])[0]
        return around.max(0).values, around.min(0).values

    highest, lowest = by_bands(extremes, mean, 1)
    sigma = noise.std(float(mean.mean().clamp(0, 1))) / linear.shape[0] ** 0.5
    margin = 6 * sigma + (highest - lowest)
    stands_out: torch.Tensor = (mean > highest + margin) | (mean < lowest - margin)
    return stands_out


def neighbours(frames: torch.Tensor) -> torch.Tensor:
    """Return the eight neighbours [n, 8, h, w] of each pixel of frames [n, h, w]; edges reflect."""
    padded = functional.pad(rearrange(frames, "n h w -> n 1 h w"), (1, 1, 1, 1), mode="reflect")
    patches = functional.unfold(padded, 3)
    patches = rearrange(patches, "n k (h w) -> n k h w", h=frames.shape[1])
    return torch.cat([patches[:, :4], patches[:, 5:]], dim=1)


def _density(z: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
