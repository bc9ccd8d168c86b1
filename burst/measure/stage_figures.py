"""The accuracy of every stage, measured against the truth of the simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from scipy import stats

from burst.data.turbulence import SimulatedStack, Truth
from burst.ops.blur.psf import equivalent_sigma
from burst.ops.blur.strength import detail
from burst.ops.frames.sharpness import tile_sharpness
from burst.ops.warp import compose
from burst.records import Burst, NoiseModel, Sensor, given

LEVELS_OF_LIGHT = (0.2, 0.5, 0.8)
TILE = 32  # px
TEXTURED = 0.5  # of `detail`; half of the pixels have more
ROUNDING = 1 / 12  # variance of rounding to whole numbers, DN^2

# What each figure is called, and in what unit; the order of the table.
FIGURES = {
    "noise": "noise variance, error %",
    "rank": "select, rank correlation of sharpness",
    "displaced": "displacement before, px rms",
    "align": "endpoint error after align, px rms",
    "row_motion": "endpoint error after row_motion, px rms",
    "vibration_removed": "row motion taken out, % of the vibration's variance",
    "rows_removed": "row motion taken out, % of the rows' variance",
    "strength": "D/r0, error %",
    "width": "width of the mean PSF, error %",
}


def stage_figures(after: Mapping[str, Burst], simulated: SimulatedStack) -> dict[str, float]:
    """Return the figures of all stages that ran; `after` holds the burst after each stage."""
    truth, last = simulated.truth, list(after.values())[-1]
    figures: dict[str, float] = {}
    if last.noise is not None:
        figures["noise"] = _noise_error(last.noise, true_noise(truth, simulated.stack.sensor))
    if last.weights is not None:
        figures["rank"] = _rank_correlation(last, truth)
    figures.update(_motion_figures(after, truth))
    if last.psf is not None:
        figures["width"] = percent(
            equivalent_sigma(last.psf.mean(0)), equivalent_sigma(truth.psf.mean(0))
        )
    if last.turbulence is not None:
        figures["strength"] = percent(last.turbulence.d_over_r0, truth.conditions.d_over_r0)
    return figures


def true_noise(truth: Truth, sensor: Sensor) -> NoiseModel:
    """Return the noise of one linear frame as simulated: photons, reading and rounding."""
    noise, scale = truth.conditions.noise, sensor.white_level - sensor.black
    return replace(noise, read=noise.read + ROUNDING / scale**2)


def percent(estimate: float, truth: float) -> float:
    """Return by how many percent an estimate is above the truth."""
    return 100 * (estimate / truth - 1)


def endpoint_error(estimate: torch.Tensor, truth: torch.Tensor, textured: torch.Tensor) -> float:
    """Return the rms length (px) of estimate - truth [n, 2, h, w] within a mask [h, w]. The mean
    over the frames is removed, since no stack determines it."""
    error = _over_frames(estimate - truth)
    return float(error.square().sum(1).mean(0)[textured].mean().sqrt())


def row_share(estimate: torch.Tensor, truth: torch.Tensor, motion: torch.Tensor) -> float:
    """Return which share (%) of the variance of row motion [n, h, 2] is removed. The remainder is
    the mean along each row of truth - estimate [n, 2, h, w]."""
    left = _over_frames((truth - estimate).mean(3)).square().mean()
    return 100 * float(1 - left / _over_frames(motion).square().mean().clamp(min=1e-12))


def _noise_error(estimate: NoiseModel, truth: NoiseModel) -> float:
    """Return the mean absolute error (%) of the variance in dark, medium and bright areas."""
    errors = [percent(estimate.std(x) ** 2, truth.std(x) ** 2) for x in LEVELS_OF_LIGHT]
    return sum(map(abs, errors)) / len(errors)


def _rank_correlation(burst: Burst, truth: Truth) -> float:
    sharp = tile_sharpness(truth.noiseless, NoiseModel(0, 0), TILE).mean((1, 2))
    estimate = np.asarray(given(burst.selection).sharpness, float)
    known = np.isfinite(estimate)
    return float(stats.spearmanr(sharp.cpu().numpy()[known], estimate[known]).statistic)


def _motion_figures(after: Mapping[str, Burst], truth: Truth) -> dict[str, float]:
    before = compose(truth.flow, truth.row_motion)
    textured = detail(truth.scene) >= TEXTURED
    figures = {"displaced": endpoint_error(torch.zeros_like(before), before, textured)}
    for stage in ("align", "row_motion"):
        if stage in after:
            found, known = _displacements(after[stage], truth)
            figures[stage] = endpoint_error(found, known, textured)
    if "row_motion" in after:
        burst = after["row_motion"]
        found, known = _displacements(burst, truth)
        vibration = truth.of_frames(burst.kept).row_motion
        figures["vibration_removed"] = row_share(found, known, vibration)
        figures["rows_removed"] = row_share(found, known, known.mean(3).movedim(1, 2))
    return figures


def _displacements(burst: Burst, truth: Truth) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the estimated and the true displacement [m, 2, h, w] of the frames that take part."""
    known = truth.of_frames(burst.kept)
    return compose(given(burst.flow), burst.row_motion), compose(known.flow, known.row_motion)


def _over_frames(values: torch.Tensor) -> torch.Tensor:
    return values - values.mean(0, keepdim=True)
