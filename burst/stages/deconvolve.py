"""Merge the aligned frames robustly and undo their blur: the classical restoration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from burst.lazy import torch
from burst.ops import filters, warp
from burst.ops import noise as noise_ops
from burst.ops.alignment import merge, rotation
from burst.ops.alignment import motion as motion_ops
from burst.ops.blur import deconvolve as deconvolve_ops
from burst.ops.blur import drizzle, limb, restraint, weigh
from burst.ops.blur import psf as psf_ops
from burst.ops.frames import sharpness
from burst.ops.gathering import shrink
from burst.records import Burst, Merging, Turbulence, given
from burst.settings import checked, setting

NEEDS = ("linear", "noise", "weights", "flow", "psf")
GIVES = ("merged", "image", "merging")
BLOCKS = True  # takes frames that are read block by block

# A softer PSF, where the one that was estimated is too wide; what moves is valid in some frames.
MAY_GIVE = ("psf", "turbulence", "valid")

LEAST_DOUBT = 0.005  # of the image's contrast: no PSF is known better than that
# Share of an image that may lie below black or above white. On 85 simulated stacks a right PSF
# leaves at most .0135 there; of 26 that too wide a PSF ruins, 20 have more than .0159.
MOST_OUTSIDE = 0.015
# More may where the PSF of the motion is as wide as all witnesses believe, within a tenth: where
# nothing but black and white is to be seen, right PSFs leave .027 to .059 there (7 coded targets);
# too wide ones of a mosaic's planes, which alias, leave .084 and more.
AGREED, AGREED_MOST_OUTSIDE = 0.1, 0.06
FEWEST = 4  # frames, whose halves tell the noise
MOST_SHARE = 0.9  # of the frames; more are as good as all
SMOOTHED = 2.0  # px, sigma by which the border of what moves is drawn out, so that none is seen
SOFTER = (0.8, 0.6, 0.4, 0.0)  # powers of the transfer function, tried in this order


@checked
@dataclass(frozen=True)
class Config:
    """How outliers are rejected and how strong the prior is."""

    rejection: Annotated[
        float, setting("how far from the others a value is rejected", "deviations", gt=0)
    ] = 4.0
    strength: Annotated[
        float, setting("of total variation; 1 is the prior that the image shows", gt=0)
    ] = 1.0
    iterations: Annotated[int, setting("rounds of the deconvolution", ge=1)] = 48
    scale: Annotated[
        float, setting("drizzle: the image has so many pixels for one of the frames", ge=1, le=3)
    ] = 1.0
    drop: Annotated[
        float, setting("side of a drop of drizzle (pixfrac)", "px of a frame", ge=0.1, le=1)
    ] = 0.7
    limb: Annotated[
        bool, setting("before a black sky: find how much blur to undo by the limb, without rings")
    ] = True


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the merged and the restored image."""
    noise, weights, psf = given(burst.noise), given(burst.weights), given(burst.psf)
    moving = burst.moving
    if moving is not None:  # it is shown once, as in the key frame
        burst = replace(burst, valid=(given(burst.valid) | moving.passing) & moving.shown)
    air = burst.turbulence
    # What registration blurs is known even where nothing else is.
    sharp = air is not None and air.source == "none" and burst.track is None and config.scale == 1
    if sharp and burst.rotation is None:
        psf = psf_ops.resampled(psf, warp.compose(given(burst.flow), burst.row_motion))
    mean, finer = _means(burst, config)
    lowest = noise_ops.lowest_linear(burst.stack.sensor)
    merged, blurred = (noise_ops.undo_clipping(m.image, noise, lowest) for m in (mean, finer))
    # Frames that differ by more than noise have a blur or a history that no model here knows.
    doubt = LEAST_DOUBT * mean.excess ** (1 / 3)
    variance = max(finer.variance, float((doubt * merged.std()) ** 2))
    mean_psf = torch.einsum("n,nyx->yx", weights / weights.sum(), psf)
    if config.scale > 1:
        mean_psf = drizzle.drizzled_psf(mean_psf, config.scale, config.drop)
    image, power = _restored(burst, config, blurred, mean_psf, variance)
    if sharp and power == 1 and moving is None:
        image = _without_noise(burst, config, blurred, mean_psf, image)
    share = None
    if moving is not None and moving.used < MOST_SHARE * len(weights):
        share = _share(mean.share, moving.used / len(weights), image)
    if share is not None:
        undone = psf_ops.soften(mean_psf, power) if power != 1 else mean_psf
        noisy = variance / float(share.min())
        quiet = deconvolve_ops.deconvolve(
            blurred, undone, noisy, config.strength, config.iterations
        )
        image = torch.lerp(image, quiet, share.log() / share.min().log())
    turbulence, report = burst.turbulence, burst.report
    if power != 1:
        psf = psf_ops.soften(psf, power)
        if turbulence is not None:
            softer, half = turbulence.power * power, weigh.half_of(psf_ops.soften(mean_psf, power))
            turbulence = replace(turbulence, power=softer, half_height=half)
        if burst.track is None:
            report = report.warn(_too_wide(power))
    effective = burst.share * merge.effective_frames(weights)
    merging = Merging(variance**0.5, effective, share)
    report = report.note(
        effective_frames=merging.effective_frames,
        rejected=mean.rejected,
        noise_std=merging.noise_std,
        iterations=config.iterations,
        regularisation=config.strength,
        psf_power=power,
    )
    burst = replace(burst, psf=psf, turbulence=turbulence, report=report)
    return replace(burst, merged=merged, image=image, merging=merging)


def _means(burst: Burst, config: Config) -> tuple[merge.Merged, merge.Merged]:
    """Return the mean of the aligned frames without outliers, and the same on a finer grid where
    one is set.

    Frames that were turned to one time are taken as they were recorded, so that they are resampled
    once.
    """
    linear, valid = given(burst.linear), _best(burst)
    displacement = warp.compose(given(burst.flow), burst.row_motion)
    if burst.rotation is not None:
        linear, displacement, valid = rotation.as_recorded(burst.rotation, displacement, valid)
    weights, noise = given(burst.weights), given(burst.noise)
    moved = burst.motion is not None
    mean = merge.robust_mean(linear, displacement, weights, noise, config.rejection, valid, moved)
    if config.scale == 1:
        return mean, mean
    image, share = drizzle.drizzle(linear, displacement, weights, config.scale, config.drop, valid)
    # That of the mean allows for what does not count; so does what drizzle says of its own.
    variance = mean.variance * share * merge.effective_frames(weights) * burst.share
    return mean, replace(mean, image=image, variance=variance)


def _without_noise(
    burst: Burst, config: Config, blurred: torch.Tensor, psf: torch.Tensor, image: torch.Tensor
) -> torch.Tensor:
    """Return the mean of an image [h, w], restored by total variation, and of the merged one freed
    of its PSF [k, k] and of noise as two halves of the frames show it: the two err elsewhere."""
    weights = given(burst.weights)
    used, halves = weights.nonzero()[:, 0], []
    if len(used) < FEWEST:
        return image
    for start in (0, 1):
        half = torch.zeros_like(weights)
        half[used[start::2]] = weights[used[start::2]]
        halves.append(_means(replace(burst, weights=half), config)[0].image)
    noise = (halves[0] - halves[1]) / 2
    # Without noise the first round is the inverse of the PSF.
    sharp, noise = (
        deconvolve_ops.deconvolve(part, psf, 0.0, iterations=1)[None] for part in (blurred, noise)
    )
    return (image + shrink.shrink(sharp, noise, 1.0)[0]) / 2


def _share(share: torch.Tensor, least: float, image: torch.Tensor) -> torch.Tensor | None:
    """Return the share [h, w] of the frames that counts at each place of an image, smoothly, of
    which a thing that moves has the `least`; None where all count."""
    smooth = filters.gaussian_blur(share[None].clamp(least, 1), SMOOTHED, "replicate")[None]
    size = (image.shape[0], image.shape[1])
    found = warp.resize_field(smooth, size)[0, 0].clamp(least, 1)
    return found if float(found.min()) < 1 else None


def _best(burst: Burst) -> torch.Tensor | None:
    """Return which values of the frames [n, h, w] count: of the valid ones those in tiles that are
    among the sharpest of all frames, where only a share of them is wanted."""
    linear, tiles = given(burst.linear), burst.tile_sharpness
    if burst.share == 1 or tiles is None:
        return burst.valid
    cells = sharpness.best_cells(tiles, burst.share)
    if burst.motion is not None:  # tiles are those of the image
        grid, size = given(burst.flow).shape[-2:], linear.shape[1:]
        back = motion_ops.inverse(burst.motion)
        cells = motion_ops.moved_tiles(cells, back, (grid[0], grid[1]), (size[0], size[1])).round()
    best = sharpness.places_of_cells(linear, cells)
    return best if burst.valid is None else burst.valid & best


def _restored(
    burst: Burst, config: Config, blurred: torch.Tensor, psf: torch.Tensor, variance: float
) -> tuple[torch.Tensor, float]:
    """Return the deconvolved image [h, w], and to which power the transfer function of psf [k, k]
    was raised, so that it rings neither beyond black and white nor around a disc."""

    def deconvolved(psf: torch.Tensor) -> torch.Tensor:
        return deconvolve_ops.deconvolve(blurred, psf, variance, config.strength, config.iterations)

    sky = limb.find_sky(blurred) if burst.track is not None and config.limb else None
    if sky is not None:
        turbulence = burst.turbulence
        known = turbulence is not None and turbulence.power != 1  # found in another channel
        share = 0.0 if turbulence is None else turbulence.share
        power = 1.0 if known else limb.largest_power(psf, sky, deconvolved, share)
        return deconvolved(psf_ops.soften(psf, power)), power
    image, power, most = deconvolved(psf), 1.0, _most_outside(burst.turbulence)
    for softer in SOFTER:
        if restraint.outside(image, blurred, variance**0.5) <= most:
            break
        power = softer
        image = deconvolved(psf_ops.soften(psf, power))
    return image, power


def _most_outside(turbulence: Turbulence | None) -> float:
    """Return the share of the image that may lie below black or above white."""
    if turbulence is None or turbulence.source != "motion":
        return MOST_OUTSIDE
    found, believed = turbulence.half_height, turbulence.half_height_believed
    agreed = found and believed and abs(math.log(found / believed)) < AGREED
    return AGREED_MOST_OUTSIDE if agreed else MOST_OUTSIDE


def _too_wide(power: float) -> str:
    """Return what a user should know where the PSF was softened to a power."""
    used = f"its transfer function to the power {power:g} is used" if power else "none is undone"
    return (
        "The image rings below black or above white with the blur that was estimated, so that"
        f" {used}. Set blur.d_over_r0, or sampling in a sidecar, if you know better."
    )
