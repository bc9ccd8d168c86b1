"""Correct the classical result by a network that fits the stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from burst.lazy import torch
from burst.network import apply, checkpoint, inputs
from burst.network.card import PriorSetting, Ways
from burst.network.checkpoint import candidates
from burst.ops.blur import restraint
from burst.records import Burst, given
from burst.settings import checked, setting

NEEDS = (
    "linear", "noise", "weights", "tile_sharpness", "flow", "level", "psf", "merged", "image",
    "alignment", "turbulence", "merging",
)  # fmt: skip
GIVES = ("image", "correction")
MAY_GIVE = ("deviation",)  # where the network says it
BLOCKS = True  # takes frames that are read block by block

# Deviations of the merged image's noise. Networks change it by up to 2.3 of them in simulated
# stacks of their levels, by 0.1 to 5 in others that they improve, by 3.5 to 30 in those that they
# spoil.
MOST_UNEXPLAINED = 4.0
# Share of a correction where the blur is not what the air's motion suggests and as narrow as that
# of weak air (D/r0): it is that of optics and pixels, which networks know least. On eight such
# stacks of other worlds all of it cost up to 1.8 dB; half is better by .8 dB on average.
OTHER_BLUR, WEAK_AIR = 0.5, (1.25, 1.75)
# The same share is used where pixels are so coarse (`Sensor.sampling`), as in a mosaic's planes:
# they alias, which looks like an error to a network. On ten simulated mosaics (four kinds of air
# and noise) all of a correction is .27 dB worse than none, half of it .10 dB better.
COARSE_PIXELS = 1.25, 1.75
# The deviation by the blur: how often the image changes by what it would were the blur narrower by
# its usual error, a power of .7 of its transfer function. With it 90 % intervals hold 90 % of the
# truth on 82 stacks (45 of usual air, 28 through layers, 9 files), simulated with a seed of their
# own, instead of 83 %; with 1 they hold 87 %.
NARROWER, BLUR_DOUBT = 0.7, 2.0
# The deviation where no blur is undone, in deviations of the merged image's noise; 90 % intervals
# hold 91 % on 11 simulated stacks.
NOISE_DOUBT = 2.0
MOSTLY = 0.75  # share of a correction from which on nobody need be told of the rest


def _names_a_network(checkpoint: str) -> str:
    if checkpoint in ("", "none"):
        raise ValueError(
            "expected auto, a name or a path (without a network restore by pipelines/classical.toml"
            " instead: --pipeline classical)"
        )
    return checkpoint


@checked
@dataclass(frozen=True)
class Config:
    """Which network, and how it is used."""

    checkpoint: Annotated[
        str,
        AfterValidator(_names_a_network),
        setting("the network, by name or path; auto: the one whose range holds the stack"),
    ] = "auto"
    prior: PriorSetting = "auto"
    ensemble: Annotated[
        Ways, setting("in how many turned and mirrored ways the image is restored, to average")
    ] = 8


def files(config: Config) -> list[Path]:
    """Return the checkpoints that may be used; CheckpointError where there is none."""
    return candidates(config.checkpoint)


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the corrected image."""
    level, image = given(burst.level), given(burst.image)
    if config.checkpoint == checkpoint.AUTO:
        path = checkpoint.choose(level)
    else:
        path = checkpoint.find(config.checkpoint)
    loaded = apply.load_once(path, image.device)
    source = apply.source_of(path, loaded, ("turbulence",), config.prior)
    evidence = inputs.prepare(burst, loaded.card.preparation)
    share, reason = apply.familiarity(loaded.card, level, evidence.scalars.tolist())
    air = given(burst.turbulence)
    of_optics = air.share * apply.fade(air.d_over_r0, *WEAK_AIR)
    coarse = 1.0 - apply.fade(burst.stack.sensor.sampling, *COARSE_PIXELS)
    # Where no blur is undone, as in a camera's burst, there is nothing to correct.
    usual = 0.0 if air.source == "none" else 1.0 - (1.0 - OTHER_BLUR) * max(of_optics, coarse)
    share *= usual
    residual, deviation = torch.zeros_like(image), None
    if share > 0 or (usual > 0 and loaded.card.spec.deviation):
        tiled = burst.memory is not None
        whole, deviation = apply.correct(loaded, evidence, source, config.ensemble, tiled)
        residual = whole if share == 1 else share * whole
        seen = given(burst.merging).share
        if seen is not None:  # networks know images of many frames
            residual = residual * (1 - seen.log() / seen.min().log())
    if share > 0:
        image = inputs.restore(evidence.base + residual, evidence)
        against = _unexplained(burst, image)
        if against > MOST_UNEXPLAINED:
            part = MOST_UNEXPLAINED / against
            share, residual = share * part, part * residual
            image = inputs.restore(evidence.base + residual, evidence)
            reason = reason or _too_far(loaded.card.name, against)
    if deviation is not None:
        # What is not corrected of an error remains.
        left = torch.hypot(deviation, whole - residual) / inputs.slope(image, evidence.scale)
        deviation = torch.hypot(left, BLUR_DOUBT * _by_narrower_blur(burst))
    elif loaded.card.spec.deviation:
        deviation = torch.full_like(image, NOISE_DOUBT * given(burst.merging).noise_std)
    correction = apply.corrected_by(path, loaded, source, float(residual.square().mean().sqrt()))
    missed = share < MOSTLY * usual
    warning = f"{reason} {share:.0%} of its correction is used." if reason and missed else None
    report = apply.noted(burst.report, loaded, correction, warning).note(correction_share=share)
    return replace(burst, image=image, deviation=deviation, correction=correction, report=report)


def _too_far(name: str, against: float) -> str:
    """Return why a correction is taken back that speaks so much against the frames."""
    return (
        f"'{name}' would change the image by {against:.1f} times the noise where the frames show it"
        " clearly."
    )


def _by_narrower_blur(burst: Burst) -> torch.Tensor:
    """Return by what a deconvolved image [h, w] changes where its blur is taken for narrower."""
    narrower, usual = (inputs.deconvolved(burst, 1.0, power) for power in (NARROWER, 1.0))
    return narrower - usual


def _unexplained(burst: Burst, image: torch.Tensor) -> float:
    """Return what of the change to an image [h, w] the merged image would show, in its noise."""
    weights, psf = given(burst.weights), given(burst.psf)
    mean_psf = torch.einsum("n,nyx->yx", weights / weights.sum(), psf)
    return restraint.unexplained(
        image - given(burst.image), mean_psf, given(burst.merging).noise_std
    )
