"""Measure the noise from the stack itself; take out a sensor's defects and row noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from burst.records import MID_GREY

if TYPE_CHECKING:
    import numpy as np
    import torch

    from burst.records import Burst, NoiseModel, Sensor

NEEDS = ("stack",)
GIVES = ("linear", "noise")


@dataclass(frozen=True)
class Config:
    """Which defects are taken out: hot, dead and stuck pixels, clusters, rows and columns."""

    hot_pixels: bool = True
    row_noise: bool = True


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with linear frames and their noise model."""
    from burst.ops import defects as defects_ops
    from burst.ops import noise as ops
    from burst.ops.mend import mend

    stack = burst.stack
    sensor = stack.sensor
    black = float(sensor.black_levels[0])
    linear = ops.to_linear(stack.frames, black, sensor.white_level)
    curve, model = _measure(linear, sensor)
    valid, counts = burst.valid, defects_ops.NONE
    if config.hot_pixels:
        defects = defects_ops.find_defects(linear, model, sensor)
        if defects.mask.any():
            # The noise is better known without them, and so are they.
            model = _measure(linear, sensor, ~defects.mask)[1]
            defects = defects_ops.find_defects(linear, model, sensor)
            curve, model = _measure(linear, sensor, ~defects.mask)
            linear = mend(linear, defects.mask)
            valid = _but(valid, defects.mask, linear)
        counts = defects.counts
    row_noise = _take_out_row_noise(linear, model) if config.row_noise else 0.0
    levels, variances = curve
    report = burst.report.note(
        shot=model.shot,
        read=model.read,
        mid_grey_std=model.std(MID_GREY),
        row_noise_std=row_noise,
        hot_pixels=counts["pixels"],
        defects=counts,
        curve={"level": levels.tolist(), "variance": variances.tolist()},
    )
    return replace(burst, linear=linear, valid=valid, noise=model, report=report)


def _measure(
    linear: torch.Tensor, sensor: Sensor, good: torch.Tensor | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], NoiseModel]:
    """Return the noise curve of the good pixels [h, w], and the model that fits it."""
    from burst.ops import noise as ops

    curve = ops.noise_curve(linear, good)
    return curve, ops.fit_noise(*curve, ops.lowest_linear(sensor), ops.one_dn(sensor))


def _but(valid: torch.Tensor | None, defect: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
    """Return which values [n, h, w] are valid when defects [h, w] are not; of no memory of their
    own where all else was valid."""
    good = (~defect).expand(linear.shape)
    return good if valid is None else valid & good


def _take_out_row_noise(linear: torch.Tensor, model: NoiseModel) -> float:
    from burst.ops.noise import row_offsets

    offsets = row_offsets(linear, model)
    linear.sub_(offsets[..., None])
    return float(offsets.std())
