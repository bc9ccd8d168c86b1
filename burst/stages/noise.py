"""Measure the noise from the stack itself; take out a sensor's defects and row noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Literal

import numpy as np

from burst.lazy import torch
from burst.ops import bayer, blocks, noise
from burst.ops.alignment import shifts, similarity
from burst.ops.frames import gains
from burst.ops.sensor import black as black_ops
from burst.ops.sensor import defects as defects_ops
from burst.ops.sensor import interpolate
from burst.ops.sensor import row_noise as row_noise_ops
from burst.records import MID_GREY, Burst, NoiseModel, Sensor, StackError, given
from burst.settings import checked, setting

NEEDS = ("stack",)
GIVES = ("linear", "noise")
MAY_GIVE = ("valid",)  # where the sensor has defects, or frames of a bracket are saturated
MOSAIC = True
BLOCKS = True  # takes frames that are read block by block

SAME_NOISE = 0.02  # relative difference of standard deviations that changes no defect
# Frames, evenly in time, on which noise and defects are measured: of 1000 and 4000 frames the
# variance at mid grey differs by .1 %, and to measure reads frames ten times.
MOST_MEASURED = 400


@checked
@dataclass(frozen=True)
class Config:
    """What is removed, and where the noise model comes from."""

    hot_pixels: Annotated[
        bool,
        setting(
            "take out all defects: hot, dead, stuck and blinking pixels, clusters, rows, columns"
        ),
    ] = True
    row_noise: Annotated[bool, setting("take out the offset that each row was read with")] = True
    model: Annotated[
        Literal["measured", "sensor"],
        setting(
            "measured: fitted to the frames, and a sidecar or DNG decides where they cannot;"
            " sensor: as the sidecar or the DNG tells it"
        ),
    ] = "measured"


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with linear frames, freed of their gain, and their noise model."""
    if burst.stack.sensor.cfa != "mono":
        return _of_mosaic(burst, config)
    stack = burst.stack
    sensor = stack.sensor
    linear = noise.linear_frames(stack.frames, burst.kept, sensor, burst.device, burst.memory)
    if config.model == "sensor" and sensor.noise is None:
        raise StackError(
            "noise.model = sensor: expected the noise of the sensor, found none."
            " Put noise = { shot = ..., read = ... } into a sidecar, or pass a DNG with a"
            " NoiseProfile."
        )
    some = _evenly(linear)
    measure = partial(_measure, some, sensor, config.model)
    found = measure()
    valid, never = _measured(burst)
    counts, good = defects_ops.NONE, None
    if config.hot_pixels:
        found, defects = _find_defects(found, measure, sensor, never)
        good = ~defects.mask if defects.mask.any() else None
        counts = defects.counts
    source = "frames" if sensor.noise is None else "frames and sensor"
    source = "sensor" if config.model == "sensor" else source
    model, (levels, variances) = found.model, found.curve
    warnings = [
        *black_ops.noise_warnings(found.curve, sensor, source),
        *black_ops.level_warnings(found.linear, found.good, found.residual, model, sensor),
    ]
    if good is not None:
        linear = blocks.mapped(partial(interpolate.interpolate_defects, defect=~good), linear)
        # Narrow gaps are interpolated; wide ones count as not measured.
        if defects.gaps.any():
            valid = ~defects.gaps if valid is None else valid & ~defects.gaps
            valid = valid.expand(linear.shape)
    if burst.gain is not None and gains.differ(burst.gain):
        so_far = replace(burst, linear=linear, valid=valid)
        linear, valid, model = _without_gain(so_far, burst.gain, good)
    row_noise = 0.0
    if config.row_noise and len(linear) > 1:
        offsets = _row_offsets(linear, model, valid, burst.kept)
        linear = blocks.mapped(
            lambda frames, offset: frames.sub_(offset[..., None]), linear, offsets
        )
        row_noise = float(offsets.std())
    report = burst.report.note(
        shot=model.shot,
        read=model.read,
        mid_grey_std=model.std(MID_GREY),
        model=source,
        sensor=None if sensor.noise is None else asdict(sensor.noise),
        row_noise_std=row_noise,
        hot_pixels=counts["pixels"],
        defects=counts,
        curve={"level": levels.tolist(), "variance": variances.tolist()},
    )
    for warning in warnings:
        report = report.warn(warning)
    return replace(burst, linear=linear, valid=valid, noise=model, report=report)


def _evenly(frames: torch.Tensor) -> torch.Tensor:
    """Return frames [n, h, w], or of very many some that are spread evenly over all."""
    return frames[:: -(-len(frames) // MOST_MEASURED)] if len(frames) > MOST_MEASURED else frames


def _of_mosaic(burst: Burst, config: Config) -> Burst:
    """Do the same for the four planes of a mosaic, and put them together again; the noise model is
    the mean of theirs."""
    planes = bayer.split_planes(burst.stack)
    places = bayer.cfa_sites(burst.stack.sensor.cfa)
    size = (len(burst.numbers), 2 * planes[0].height, 2 * planes[0].width)
    linear, valid = torch.empty(size, device=burst.device), None
    models, report = [], burst.report
    for plane, (y, x) in zip(planes, places, strict=True):
        own = None if burst.valid is None else burst.valid[:, y : size[1] : 2, x : size[2] : 2]
        found = run(replace(burst, stack=plane, valid=own), config)
        models.append(given(found.noise))
        linear[:, y::2, x::2] = given(found.linear)
        if found.valid is not None:
            valid = torch.ones_like(linear, dtype=torch.bool) if valid is None else valid
            valid[:, y::2, x::2] = found.valid
        if len(models) == 2:  # Green. Detail of planes is aliased, so that no level is doubted.
            report = burst.report.note(**found.report.entries[-1].numbers)
    mean = NoiseModel(*(sum(getattr(m, n) for m in models) / 4 for n in ("shot", "read")))
    report = report.note(
        shot=mean.shot,
        read=mean.read,
        mid_grey_std=mean.std(MID_GREY),
        planes=[asdict(model) for model in models],
    )
    return replace(burst, linear=linear, valid=valid, noise=mean, report=report)


def _measured(burst: Burst) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return which values [m, h, w] of the burst count (None for all), and which pixels [h, w] no
    frame measured (None for none). The latter are defects, which are interpolated where narrow."""
    measured = burst.stack.measured
    if measured is None:
        return burst.valid, None
    never = torch.from_numpy(~measured.any(0)).to(burst.device)
    chosen = measured if burst.kept is None else measured[burst.kept.cpu().numpy()]
    valid = torch.from_numpy(chosen).to(burst.device) | never
    return valid if burst.valid is None else valid & burst.valid, never


def _find_defects(
    found: _NoiseMeasurement,
    measure: Callable[..., _NoiseMeasurement],
    sensor: Sensor,
    never: torch.Tensor | None,
) -> tuple[_NoiseMeasurement, defects_ops.Defects]:
    """Return the noise without the defects, and these; pixels `never` [h, w] were not measured."""
    defects = defects_ops.find_defects(found.linear, found.model, sensor, never)
    if defects.mask.any():
        # Without defects the noise is known better; if it differs, so may the defects.
        before, found = found.model, measure(~defects.mask, found.maps)
        stds = ((found.model.std(x), before.std(x)) for x in (0.0, MID_GREY))
        if any(abs(now - then) > SAME_NOISE * then for now, then in stds):
            defects = defects_ops.find_defects(found.linear, found.model, sensor, never)
            found = measure(~defects.mask, found.maps)
    return found, defects


@dataclass(frozen=True)
class _NoiseMeasurement:
    """The noise measured on the `good` pixels [h, w] of frames [n, h, w]: residuals of all windows
    and of the good ones, curve, model."""

    linear: torch.Tensor
    good: torch.Tensor | None
    maps: tuple[np.ndarray, np.ndarray]
    residual: tuple[np.ndarray, np.ndarray]
    curve: tuple[np.ndarray, np.ndarray]
    model: NoiseModel


def _measure(
    linear: torch.Tensor,
    sensor: Sensor,
    choice: Literal["measured", "sensor"],
    good: torch.Tensor | None = None,
    maps: tuple[np.ndarray, np.ndarray] | None = None,
) -> _NoiseMeasurement:
    """Measure the noise of the good pixels [h, w] of frames [n, h, w]: from the frames and, if
    stated, the sensor's own noise model, or ("sensor") from the latter alone. `maps` are the
    residuals of `residual_maps`, where they are known already."""
    maps = maps or noise.residual_maps(linear)
    residual, stated = noise.in_good_windows(*maps, good), sensor.noise
    curve, step = noise.curve_of_windows(*residual, len(linear)), noise.one_dn(sensor)
    if stated is not None and choice == "sensor":
        model = NoiseModel(stated.shot, max(stated.read, step**2 / noise.ROUNDING))
    else:
        prior = None if stated is None else noise.Prior(stated, len(linear))
        model = noise.fit_noise(*curve, noise.lowest_linear(sensor), step, prior)
    return _NoiseMeasurement(linear, good, maps, residual, curve, model)


def _without_gain(
    burst: Burst, gain: torch.Tensor, good: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None, NoiseModel]:
    """Return frames divided by their gain [m], which of their values are valid, and their noise,
    measured on `good` pixels [h, w]."""
    sensor = burst.stack.sensor
    linear, valid = gains.divide_by_gain(given(burst.linear), burst.valid, gain)
    # Saturated values have no noise: bright places are measured in the shortest exposures.
    dark = gain.to(linear) <= gain.median().to(linear)
    curve = noise.noise_curve(linear[dark], good)
    mean = noise.fit_noise(*curve, noise.lowest_linear(sensor), noise.one_dn(sensor))
    variances = gains.frame_variances(linear, valid)
    factor = float(variances.mean() / variances[dark].mean())
    mean = NoiseModel(mean.shot * factor, mean.read * factor)
    return linear, valid, gains.merged_noise(mean, variances)


def _row_offsets(
    linear: torch.Tensor, model: NoiseModel, valid: torch.Tensor | None, kept: torch.Tensor | None
) -> torch.Tensor:
    """Return the offset [n, h] that each row of frames [n, h, w] was read with."""
    some = _evenly(linear)
    offsets = row_noise_ops.row_offsets(some, model)
    if not bool(offsets.any()):
        return linear.new_zeros(linear.shape[:2])
    offsets = offsets if some is linear else row_noise_ops.row_offsets(linear, model)

    def motion(part: Callable[[torch.Tensor], torch.Tensor]) -> similarity.CameraMotion:
        few, key = part(linear), len(part(linear)) // 2
        good, numbers = (None if each is None else part(each) for each in (valid, kept))
        start = shifts.global_shifts(few, key, good)
        return similarity.find_motion(few, key, start, good, numbers)

    # Where the camera moved, which some tell, rows of frames show different parts of the scene.
    found = motion(_evenly)
    if not (found.drifts or similarity.camera_moved(found, (linear.shape[1], linear.shape[2]))):
        return offsets
    found = found if some is linear else motion(lambda whole: whole)
    return row_noise_ops.row_offsets_in_motion(linear, model, found.pose, valid)
