"""Estimate the PSF of the aligned frames from how they move, how they vary, how their mean's power
falls with frequency, and how sharp its edges are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any

from burst.lazy import torch
from burst.ops import warp
from burst.ops.alignment import merge, moving
from burst.ops.blur import candidates as candidates_ops
from burst.ops.blur import edges, weigh, witnesses
from burst.ops.blur import psf as psf_ops
from burst.ops.blur import strength as strength_ops
from burst.records import Burst, Turbulence, given
from burst.settings import checked, setting

NEEDS = ("linear", "noise", "weights", "flow", "merged")
GIVES = ("psf", "turbulence")
BLOCKS = True  # takes frames that are read block by block

COARSEST = 2.0  # sampling; beyond it an optical PSF lies within a pixel
WEAKEST, STRONGEST = 0.3, 12.0  # D/r0 between which the short-exposure theory is used
POOR_FIT = 0.4  # log rms of the structure function against Kolmogorov's
# Expected loss (dB) from which a warning stands: on 8 of 96 simulated stacks of all kinds, of which
# 3 lose more than 1.4 dB. Stacks of which 1 dB is expected lose no more than others.
UNSURE = 1.3
MOST_BY_HAND = 60  # frames of a burst that a camera takes by hand


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
    if burst.turbulence is not None and burst.turbulence.kernel is not None:
        return _as_in_other_channel(burst, burst.turbulence)
    flow, weights = given(burst.flow), given(burst.weights)
    noise, merged = given(burst.noise), given(burst.merged)
    sampling = min(burst.stack.sensor.sampling, COARSEST)
    found = strength_ops.measure_strength(flow, merged, sampling, burst.motion)
    variance = noise.std(float(merged.mean())) ** 2 / merge.effective_frames(weights)
    bound = strength_ops.strongest_plausible(merged, variance, sampling)
    strength = config.d_over_r0 or min(max(found.d_over_r0, WEAKEST), STRONGEST, bound)
    still = psf_ops.short_exposure(strength, sampling, config.jitter, config.size | 1)
    estimate = None if config.d_over_r0 else _estimate(burst, found.d_over_r0, still)
    if estimate is not None and estimate.share > 0:
        profile = weigh.profile(estimate.belief, estimate.half)
        kernel = psf_ops.radial_kernel(profile, config.size | 1)
        still = (1 - estimate.share) * still + estimate.share * kernel
        strength = (1 - estimate.share) * strength + estimate.share * estimate.d_over_r0
    psf = psf_ops.smear(still, _motion(burst)).to(merged)
    report = burst.report.note(
        d_over_r0=strength,
        d_over_r0_of_motion=found.d_over_r0,
        d_over_r0_bound=bound,
        sampling=sampling,
        psf_sigma=psf_ops.equivalent_sigma(psf.mean(0)),
        jitter=config.jitter,
        aperture_px=found.aperture_px,
        misfit=found.misfit,
        structure={
            "distance": found.distance.tolist(),
            "measured": found.square.mean(1).tolist(),
            "model": found.model.mean(1).tolist(),
        },
        **(_numbers(estimate, still) if estimate else {"source": "settings"}),
    )
    turbulence = Turbulence(strength, found.d_over_r0, kernel=still)
    if estimate is not None:
        turbulence = replace(turbulence, **_width(estimate, still))
        warning = _warning(found, bound, estimate, weigh.half_of(still))
        report = report.warn(warning) if warning else report
    count = len(given(burst.linear))
    if turbulence.source == "none" and burst.channel is not None and count <= MOST_BY_HAND:
        report = report.warn(
            f"These {count} frames in colour show no air, as photographs taken by hand do."
            " --pipeline handheld merges such into a finer image, in which what moves shows once."
        )
    return replace(burst, psf=psf, turbulence=turbulence, report=report)


def _as_in_other_channel(burst: Burst, turbulence: Turbulence) -> Burst:
    """Return the burst of a channel with the PSF that was found in another channel: optics and
    air are the same, and PSFs that differ would give edges coloured fringes."""
    psf = psf_ops.smear(given(turbulence.kernel), _motion(burst)).to(given(burst.merged))
    psf = psf_ops.soften(psf, turbulence.power) if turbulence.power != 1 else psf
    report = burst.report.note(
        d_over_r0=turbulence.d_over_r0,
        d_over_r0_of_motion=turbulence.d_over_r0_of_motion,
        psf_sigma=psf_ops.equivalent_sigma(psf.mean(0)),
        source=turbulence.source,
        half_height=turbulence.half_height,
        half_height_believed=turbulence.half_height_believed,
    )
    return replace(burst, psf=psf, turbulence=replace(turbulence), report=report)


@dataclass(frozen=True)
class BlurEstimate:
    """The blur by all witnesses.

    belief          probabilities of the candidates
    half            half height (cycles per pixel) of the blur that is safest to undo
    share           of its PSF, 0 to 1, in the one that is used; the rest is the motion's
    loss_of_motion  expected loss (dB) by the motion's PSF
    alone           mean transfer function [m] by each witness alone
    """

    belief: weigh.Belief
    half: float
    share: float
    loss_of_motion: float
    alone: dict[str, list[float]]

    @property
    def d_over_r0(self) -> float:
        """The mean D/r0 over the candidates."""
        return float(self.belief.probability @ self.belief.blurs.d_over_r0)


def _estimate(burst: Burst, d_over_r0: float, still: torch.Tensor) -> BlurEstimate:
    """Return the blur by all witnesses, given the D/r0 of the motion and its PSF [k, k]."""
    linear, noise = given(burst.linear), given(burst.noise)
    weights, flow = given(burst.weights), given(burst.flow)
    used = weights > 0
    displacement = warp.compose(flow, burst.row_motion)[used]
    valid = None if burst.valid is None else burst.valid[used]
    merged, trust = given(burst.merged), None
    if burst.moving is not None:  # where things move few frames count, and show more noise
        trust = 1 - moving.around(burst.moving.mask)
    seen = witnesses.moments(linear[used], displacement, valid, noise, trust)
    if trust is not None:
        merged = torch.lerp(moving.smooth(merged), merged, trust)
    noise_std = noise.std(float(merged.mean())) / merge.effective_frames(weights) ** 0.5
    sampling = min(burst.stack.sensor.sampling, COARSEST)
    blurs = candidates_ops.candidates(sampling)
    likelihoods = {
        "motion": witnesses.of_motion(d_over_r0, sampling, blurs),
        "variation": witnesses.of_variation(seen, blurs),
        "spectrum": witnesses.of_spectrum(seen, blurs),
        "edges": witnesses.of_edges(edges.measure_edges(merged, noise_std), seen.is_coded, blurs),
    }
    known = {name: one for name, one in likelihoods.items() if one is not None}
    calm = witnesses.is_calm(d_over_r0, sampling, likelihoods["variation"], blurs)
    belief = weigh.weigh(blurs, sampling, list(known.values()), calm)
    of_motion = weigh.half_of(still)
    half, share = weigh.choice(belief, of_motion)
    alone = {
        name: weigh.weigh(blurs, sampling, [one], calm).transfer for name, one in known.items()
    }
    return BlurEstimate(belief, half, share, belief.loss(of_motion), alone)


def _width(estimate: BlurEstimate, still: torch.Tensor) -> dict[str, Any]:
    """Return where the PSF [k, k] that is used comes from, and how wide it and the blur are."""
    half = weigh.half_of(still)
    source = "motion" if estimate.share < 0.5 else "none" if half >= weigh.CLEAR else "witnesses"
    believed = estimate.belief.half
    return {
        "source": source,
        "share": estimate.share,
        "half_height": half,
        "half_height_believed": believed,
    }


def _numbers(estimate: BlurEstimate, still: torch.Tensor) -> dict[str, Any]:
    """Return the numbers of the report on an estimate and on the PSF [k, k] that is used."""
    return {
        **_width(estimate, still),
        "half_height_error": estimate.belief.spread,
        "loss_of_motion": estimate.loss_of_motion,
        "witnesses": {
            "frequency": candidates_ops.FREQUENCY.tolist(),
            **estimate.alone,
            "believed": estimate.belief.transfer,
        },
    }


def _motion(burst: Burst) -> torch.Tensor:
    """Return how far [n, 2] each frame's rows move on average while they are exposed, in px."""
    sensor, numbers = burst.stack.sensor, burst.numbers
    if burst.row_motion is None or sensor.row_time == 0:
        return torch.zeros(len(numbers), 2)
    scan = torch.from_numpy(burst.stack.scan)[numbers]
    per_row = burst.row_motion.diff(dim=1).mean(1).cpu() * scan[:, None]
    return per_row * (sensor.exposure_time / sensor.row_time)


def _warning(
    found: strength_ops.Strength, bound: float, estimate: BlurEstimate, used: float
) -> str | None:
    """Return what a user should know of the estimate where much may be lost by a PSF whose transfer
    function falls to half at `used`."""
    if estimate.belief.loss(used) < UNSURE:
        return None
    known, by_motion = " Set blur.d_over_r0 if you know better.", estimate.share < 0.5
    if used >= weigh.CLEAR:
        return (
            "The frames hardly show any blur, and none is undone. Set blur.d_over_r0 if the optics"
            " or the air blur them alike."
        )
    if by_motion and not WEAKEST <= found.d_over_r0 <= STRONGEST:
        return (
            f"The displacements suggest D/r0 = {found.d_over_r0:.2f}, outside {WEAKEST} to"
            f" {STRONGEST}; the nearest end is used.{known}"
        )
    if by_motion and bound < found.d_over_r0:
        return (
            f"The frames move like D/r0 = {found.d_over_r0:.1f}, but the image has too fine detail"
            f" for so much blur; {bound:.1f} is used.{known}"
        )
    if by_motion and found.misfit > POOR_FIT:
        return (
            "The displacements do not grow with distance as turbulence makes them; the PSF is a"
            f" guess.{known}"
        )
    return (
        "How wide the blur is stays unsure, within a factor of"
        f" {math.exp(estimate.belief.spread):.1f}. Set sampling in a sidecar, or blur.d_over_r0, if"
        " you know better."
    )
