"""Estimate the PSF of the aligned frames from the strength of the turbulence that moved them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from burst.config import checked, setting
from burst.records import Turbulence, given

if TYPE_CHECKING:
    import torch

    from burst.ops.blur.strength import Strength
    from burst.records import Burst

NEEDS = ("noise", "weights", "flow", "merged")
GIVES = ("psf", "turbulence")

COARSEST = 2.0  # sampling; beyond it an optical PSF lies within a pixel
WEAKEST, STRONGEST = 0.3, 12.0  # D/r0 between which the short-exposure theory is used
POOR_FIT = 0.4  # log rms of the structure function against Kolmogorov's


@checked
@dataclass(frozen=True)
class Config:
    """What is known of the air."""

    d_over_r0: Annotated[
        float, setting("strength of the turbulence, aperture over r0; 0: measured", ge=0)
    ] = 0.0
    jitter: Annotated[float, setting("motion that registration leaves", "px rms", ge=0)] = 0.12
    size: Annotated[int, setting("side of the PSF; made odd", "px", ge=5, le=63)] = 33


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with a PSF for each aligned frame."""
    from burst.ops.alignment.merge import effective_frames
    from burst.ops.blur import psf as ops
    from burst.ops.blur.strength import measure_strength, strongest_plausible

    flow, weights = given(burst.flow), given(burst.weights)
    noise, merged = given(burst.noise), given(burst.merged)
    sampling = min(burst.stack.sensor.sampling, COARSEST)
    found = measure_strength(flow, merged, sampling, burst.motion)
    variance = noise.std(float(merged.mean())) ** 2 / effective_frames(weights)
    bound = strongest_plausible(merged, variance, sampling)
    strength = config.d_over_r0 or min(max(found.d_over_r0, WEAKEST), STRONGEST, bound)
    still = ops.short_exposure(strength, sampling, config.jitter, config.size | 1)
    psf = ops.smear(still, _motion(burst)).to(merged)
    report = burst.report.note(
        d_over_r0=strength,
        d_over_r0_of_motion=found.d_over_r0,
        d_over_r0_bound=bound,
        sampling=sampling,
        psf_sigma=ops.equivalent_sigma(psf.mean(0)),
        jitter=config.jitter,
        aperture_px=found.aperture_px,
        misfit=found.misfit,
        structure={
            "distance": found.distance.tolist(),
            "measured": found.square.mean(1).tolist(),
            "model": found.model.mean(1).tolist(),
        },
    )
    for warning in _doubts(found, bound, config):
        report = report.warn(warning)
    turbulence = Turbulence(strength, found.d_over_r0)
    return replace(burst, psf=psf, turbulence=turbulence, report=report)


def _motion(burst: Burst) -> torch.Tensor:
    """Return how far [n, 2] each frame's rows move on average while they are exposed, in px."""
    import torch

    sensor = burst.stack.sensor
    count = burst.stack.count if burst.kept is None else len(burst.kept)
    if burst.row_motion is None or sensor.row_time == 0:
        return torch.zeros(count, 2)
    scan = torch.from_numpy(burst.stack.scan)
    if burst.kept is not None:
        scan = scan[burst.kept.cpu()]
    per_row = burst.row_motion.diff(dim=1).mean(1).cpu() * scan[:, None]
    return per_row * (sensor.exposure_time / sensor.row_time)


def _doubts(found: Strength, bound: float, config: Config) -> list[str]:
    """Return what a user should know about the estimate."""
    if config.d_over_r0:
        return []
    doubts = []
    if not WEAKEST <= found.d_over_r0 <= STRONGEST:
        doubts.append(
            f"The displacements suggest D/r0 = {found.d_over_r0:.2f}, outside {WEAKEST} to"
            f" {STRONGEST}; the nearest end is used. Set blur.d_over_r0 if you know better."
        )
    if bound < found.d_over_r0:
        doubts.append(
            f"The frames move like D/r0 = {found.d_over_r0:.1f}, but the image has too fine detail"
            f" for so much blur; {bound:.1f} is used."
        )
    if found.misfit > POOR_FIT:
        doubts.append(
            "The displacements do not grow with distance as turbulence makes them; the PSF is a"
            " guess. Set blur.d_over_r0 if you know better."
        )
    return doubts
