"""The strength of turbulence from the displacements it causes, without knowing the scene.

How fast displacements of two points of a row part with their distance depends on D/r0 and on the
width of the beam in the scene alone (see `ops.turbulence.air.mode_correlation`). Both points are
read at the same time, so that shaking of the camera drops out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.alignment.motion import without_motion
from burst.ops.alignment.registration import gradient
from burst.ops.alignment.turns import turns_are_of_air, without_turns
from burst.ops.blocks import BlockTensor, Pieces, kept_beside, mapped
from burst.ops.blur.psf import mean_otf, radial_mean
from burst.ops.filters import separable
from burst.ops.turbulence.air import mode_correlation, tilt_std
from burst.ops.turbulence.zernike import TILT_X, TILT_Y

PLAUSIBLE_STRENGTHS = tuple(np.geomspace(0.3, 12, 20).tolist())
SLOWEST_FALL = 0.8
MOST_TILES = 1024  # at once; as many as an image of 512 x 512 has
TILE, LOWEST_BIN, FEWEST_BINS = 64, 3, 4
SEEN = 4.0  # times the noise power
BEAM_WIDTHS = tuple(np.geomspace(8, 256, 31).tolist())  # px
STEP = 4  # px between the points whose displacements are compared
COMMON_POINTS = 12  # along each side of a frame
TYPICAL_WIDTH = 32.0  # px of a beam
# In the logarithm of the beam's width: for one frame one beam wide, and what more do not lessen.
DOUBT, LEAST_DOUBT = 4.0, 0.142
WINDOW = 21  # px, over which edges of both directions are looked for
NEAREST = 20.0  # px; closer points share a registration window


@dataclass(frozen=True)
class Strength:
    """D/r0, the beam's width in the scene (px), how badly Kolmogorov's law fits (log rms); and the
    structure function: distances [m] px, mean square differences [m, 2] px^2, and their fit."""

    d_over_r0: float
    aperture_px: float
    misfit: float
    distance: np.ndarray
    square: np.ndarray
    model: np.ndarray


def measure_strength(
    flow: torch.Tensor, reference: torch.Tensor, sampling: float, motion: torch.Tensor | None = None
) -> Strength:
    """Measure the strength of the turbulence that caused a flow [n, 2, h, w], the camera's motion
    [n, 2, 3] being part of it.

    Displacement counts where the aligned mean `reference` [h, w] has detail to see it by. Where
    turns and scales are not those of the air they are left out of displacements and theory alike.
    """
    air = without_motion(flow, motion)
    size = None
    if not turns_are_of_air(flow, motion):
        air, size = without_turns(air), (flow.shape[2], flow.shape[3])
    beams = math.sqrt(flow.shape[0]) * flow.shape[3] / TYPICAL_WIDTH
    distance, square = structure_function(air, detail(reference), STEP)
    doubt = max(DOUBT / beams, LEAST_DOUBT)
    return fit_strength(distance, square, sampling, doubt=doubt, unturned=size)


def structure_function(
    flow: torch.Tensor, confidence: torch.Tensor, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances [m] px along the row and mean square differences [m, 2] px^2 of dx and dy.

    The flow [n, 2, h, w] is looked at on every `step`-th pixel, with `confidence` [h, w] as weight;
    what is common to all frames is taken out.
    """
    cells = kept_beside(mapped(lambda part: functional.avg_pool2d(part, step), flow))
    cells = cells - cells.mean(0, keepdim=True)
    trust = functional.avg_pool2d(confidence[None, None], step)[0, 0]
    width = cells.shape[-1]
    first = max(1, int(NEAREST // step))
    lags = range(first, max(first + 2, width * 2 // 3), max(1, width // 32))
    values = []
    for lag, square in zip(lags, _mean_squares(cells, lags), strict=True):
        weight = trust[:, lag:] * trust[:, :-lag]
        values.append(((square * weight).sum((1, 2)) / weight.sum().clamp(min=1e-12)).cpu().numpy())
    return np.array([lag * float(step) for lag in lags]), np.array(values)


def _mean_squares(cells: torch.Tensor, lags: Sequence[int]) -> Iterator[torch.Tensor]:
    """Yield the mean square difference [2, y, x] of cells [n, 2, y, x] over each lag [m]."""
    if not isinstance(cells, BlockTensor):
        yield from ((cells[..., lag:] - cells[..., :-lag]).square().mean(0) for lag in lags)
        return
    totals = [0.0 * (cells[0][..., lag:]) for lag in lags]
    for part in Pieces(cells, cells.step):
        for total, lag in zip(totals, lags, strict=True):
            total += (part[..., lag:] - part[..., :-lag]).square().sum(0)
    yield from (total / len(cells) for total in totals)


def fit_strength(
    distance: np.ndarray,
    square: np.ndarray,
    sampling: float,
    doubt: float = 0.0,
    unturned: tuple[int, int] | None = None,
) -> Strength:
    """Fit D/r0 and the beam's width to a structure function; `sampling` as in `turbulence.Air`.

    Where frames were freed of turns and scales, `unturned` is their size (h, w).

    Strong air in wide beams looks much like weak air in narrow ones when there are few frames:
    `doubt` is the log rms that a beam e times wider or narrower than usual has to fit better by.
    """
    measured = np.log(np.clip(square, 1e-8, None))
    fits = []
    for aperture_px in BEAM_WIDTHS:
        theory = _theory(aperture_px, tuple(distance.tolist()))
        if unturned is not None:
            theory = theory - _lost_with_turns(aperture_px, tuple(distance.tolist()), unturned)
            theory = np.clip(theory, 1e-6, None)
        difference = measured - np.log(theory)
        variance = float(np.exp(difference.mean()))
        strength = (variance**0.5 / tilt_std(1.0, sampling)) ** (6 / 5)
        misfit, model = float(difference.std()), variance * theory
        fits.append(Strength(strength, aperture_px, misfit, distance, square, model))

    def cost(fit: Strength) -> float:
        return fit.misfit**2 + (doubt * math.log(fit.aperture_px / TYPICAL_WIDTH)) ** 2

    return min(fits, key=cost)


def common_variance(strength: Strength, size: tuple[int, int], sampling: float) -> torch.Tensor:
    """Return the variance [2] px^2 of dx and dy of a whole frame (h, w), as the air moves it."""
    y, x = (np.linspace(0, length - 1, COMMON_POINTS) for length in size)
    _, correlations = _tilt_correlations(x, y, strength.aperture_px)
    variance = tilt_std(strength.d_over_r0, sampling) ** 2
    return torch.tensor([one.mean() for one in correlations]) * variance


def _tilt_correlations(
    x: np.ndarray, y: np.ndarray, aperture_px: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the points [p, 2] at columns x and rows y, px, and the correlations [p, p] of tilt
    between them, of dx and of dy."""
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    dx, dy = np.moveaxis(points[:, None] - points[None], -1, 0)
    return points, [mode_correlation(j, dx, dy, aperture_px) for j in (TILT_X, TILT_Y)]


def strongest_plausible(image: torch.Tensor, noise_variance: float, sampling: float) -> float:
    """Return the largest D/r0 whose blur an image [h, w] may have gone through.

    Hardly any scene's amplitude spectrum falls more slowly than f^-0.8. The D/r0 that explains the
    rest of the image's fall with frequency, as far as it stands out of the noise, is the bound.
    """
    power = tile_spectrum(image)
    if power is None:
        return math.inf
    bins = len(power)
    frequency = torch.arange(bins) / (2 * bins)
    lost = power <= SEEN * noise_variance
    lost[:LOWEST_BIN] = False
    seen = lost.long().cumsum(0) == 0
    seen[:LOWEST_BIN] = False
    if int(seen.sum()) < FEWEST_BINS:
        return math.inf
    scene = -2 * SLOWEST_FALL * frequency[seen].log()
    fall = (power[seen] - noise_variance).log() - scene

    def misfit(d_over_r0: float) -> float:
        transfer, _ = mean_otf(d_over_r0, sampling, draws=100)
        return float((fall - 2 * (transfer[seen] + 1e-6).log()).var())

    return float(min(PLAUSIBLE_STRENGTHS, key=misfit))


def tile_spectrum(image: torch.Tensor) -> torch.Tensor | None:
    """Return the radial mean power [32] of an image's windowed 64 px tiles; None if none fits.

    White noise of variance v has power v.
    """
    if min(image.shape) < TILE:
        return None
    window = torch.outer(torch.hann_window(TILE), torch.hann_window(TILE)).to(image)
    window = window / window.square().mean().sqrt()
    rows = image.unfold(0, TILE, TILE // 4).unfold(1, TILE, TILE // 4)
    few = max(1, MOST_TILES // rows.shape[1])
    total, count = torch.zeros_like(window), rows.shape[0] * rows.shape[1]
    for part in rows.split(few):
        tiles = rearrange(part, "a b y x -> (a b) y x")
        level = (tiles * window).sum((1, 2), keepdim=True) / window.sum()
        power = torch.fft.fft2((tiles - level) * window).abs().square().mean(0)
        total = power if few >= len(rows) else total + power * (len(tiles) / count)
    return radial_mean((total / TILE**2).cpu())


def detail(reference: torch.Tensor) -> torch.Tensor:
    """Return how far displacement can be seen at each pixel [h, w], between 0 and 1.

    Edges in one direction show no motion along them, so the lesser eigenvalue of the structure
    tensor counts.
    """
    gx, gy = gradient(reference)
    tensor = torch.stack([gx * gx, gx * gy, gy * gy])[None]
    box = tensor.new_full((WINDOW,), 1 / WINDOW)
    xx, xy, yy = separable(functional.pad(tensor, (WINDOW // 2,) * 4), box)[0]
    lesser: torch.Tensor = (xx + yy) / 2 - torch.hypot((xx - yy) / 2, xy)
    lesser = lesser.clamp(min=0)
    return lesser / (lesser + lesser.median().clamp(min=1e-20))


@lru_cache(maxsize=128)
def _theory(aperture_px: float, distances: tuple[float, ...]) -> np.ndarray:
    """Return mean square differences [m, 2] of unit-variance tilts along and across a row."""
    along = np.asarray(distances)
    zero = np.zeros_like(along)
    correlation = [mode_correlation(j, along, zero, aperture_px) for j in (TILT_X, TILT_Y)]
    return np.asarray(np.clip(2 * (1 - np.stack(correlation, axis=1)), 1e-6, None))


@lru_cache(maxsize=128)
def _lost_with_turns(
    aperture_px: float, distances: tuple[float, ...], size: tuple[int, int]
) -> np.ndarray:
    """Return what mean square differences [m, 2] of unit-variance tilts lose where frames of size
    (h, w) are freed of their turn and scale.

    A turn or scale of variance v is made of displacements that go with it by c(p) at point p; of a
    difference d over a distance r it leaves d - r v^(1/2), which has 2 r (c(p + r) - c(p)) - r^2 v
    less of mean square.
    """
    y, x = (np.linspace(-(length - 1) / 2, (length - 1) / 2, COMMON_POINTS) for length in size)
    points, correlation = _tilt_correlations(x, y, aperture_px)
    across, down = (points[:, i] / (2 * np.square(points[:, i]).sum()) for i in (0, 1))
    lost = []
    for own, other in (correlation, correlation[::-1]):
        # A scale is of dx along x and dy along y, a turn of dy along x and dx along y.
        variance = across @ own @ across + down @ other @ down
        course = (own @ across).reshape(COMMON_POINTS, COMMON_POINTS).mean(0)
        lost.append([_lost_over(r, x, course, float(variance)) for r in distances])
    return np.array(lost).T


def _lost_over(distance: float, x: np.ndarray, course: np.ndarray, variance: float) -> float:
    first = np.linspace(x[0], x[-1] - distance, COMMON_POINTS)
    step = np.interp(first + distance, x, course) - np.interp(first, x, course)
    return float(2 * distance * step.mean() - distance**2 * variance)
