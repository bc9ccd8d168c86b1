"""Measure the noise from the stack itself; take out hot pixels and row noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from burst.records import MID_GREY, NoiseModel

if TYPE_CHECKING:
    import torch

    from burst.records import Burst

NEEDS = ("stack",)
GIVES = ("linear", "noise")
MAY_GIVE = ("valid",)  # where frames of other exposures are saturated


@dataclass(frozen=True)
class Config:
    """Which defects are taken out."""

    hot_pixels: bool = True
    row_noise: bool = True


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with linear frames, freed of their gain, and their noise model."""
    from burst.ops import noise as ops
    from burst.ops.gains import differ

    stack = burst.stack
    black = float(stack.sensor.black_levels[0])
    frames = stack.frames if burst.kept is None else stack.frames[burst.kept.cpu().numpy()]
    linear = ops.to_linear(frames, black, stack.sensor.white_level, burst.device)
    levels, variances = ops.noise_curve(linear)
    model = ops.fit_noise(levels, variances, ops.lowest_linear(stack.sensor))
    hot = 0
    if config.hot_pixels:
        defects = ops.hot_pixels(linear, model)
        hot = int(defects.sum())
        linear = ops.mend(linear, defects)
    valid = burst.valid
    if burst.gain is not None and differ(burst.gain):
        linear, valid, model = _evened(replace(burst, linear=linear), burst.gain)
    row_noise = _take_out_row_noise(linear, model) if config.row_noise and len(linear) > 1 else 0.0
    report = burst.report.note(
        shot=model.shot,
        read=model.read,
        mid_grey_std=model.std(MID_GREY),
        row_noise_std=row_noise,
        hot_pixels=hot,
        curve={"level": levels.tolist(), "variance": variances.tolist()},
    )
    return replace(burst, linear=linear, valid=valid, noise=model, report=report)


def _evened(
    burst: Burst, gain: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None, NoiseModel]:
    """Return frames freed of their gain [m], which of their values are good, and their noise."""
    from burst.ops import gains
    from burst.ops import noise as ops

    assert burst.linear is not None
    sensor = burst.stack.sensor
    linear, valid = gains.even_out(burst.linear, burst.valid, gain)
    # Where a frame is saturated it has no noise: the shortest exposures tell of bright places.
    dark = gain.to(linear) <= gain.median().to(linear)
    curve = ops.noise_curve(linear[dark])
    mean = ops.fit_noise(*curve, ops.lowest_linear(sensor))
    variances = gains.frame_variances(linear, valid)
    factor = float(variances.mean() / variances[dark].mean())
    mean = NoiseModel(mean.shot * factor, mean.read * factor)
    return linear, valid, gains.merged_noise(mean, variances)


def _take_out_row_noise(linear: torch.Tensor, model: NoiseModel) -> float:
    from burst.ops.noise import row_offsets

    offsets = row_offsets(linear, model)
    linear.sub_(offsets[..., None])
    return float(offsets.std())
