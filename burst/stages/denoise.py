"""Take out the noise that merging leaves, by the noise of the frames themselves and a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from burst.lazy import torch
from burst.network import apply, checkpoint, inputs_handheld
from burst.network.checkpoint import find
from burst.ops.gathering import shrink
from burst.records import Burst, given
from burst.settings import checked, setting

NEEDS = ("image", "gathered")
GIVES = ("image",)
MAY_GIVE = ("level", "correction")  # where there is a network
COLOUR = True
MOSAIC = True

NONE = "none"
WHOLE = 1 << 20  # pixels of an image that a network takes at once; larger ones go tile by tile


@checked
@dataclass(frozen=True)
class Config:
    """How much is taken out, and which network then corrects a photograph in colour."""

    strength: Annotated[
        float,
        setting("0 leaves all noise, 1 makes the smallest error", ge=0, le=4),
    ] = 0.7
    checkpoint: Annotated[str, setting("the network, by name or path, or none")] = NONE


def files(config: Config) -> list[Path]:
    """Return the checkpoint; CheckpointError where there is none."""
    return [] if config.checkpoint == NONE else [find(config.checkpoint)]


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with a less noisy image; detail that stands out of the noise stays."""
    image, noise = given(burst.image), given(burst.gathered).noise
    planes, example = (part if part.ndim == 3 else part[None] for part in (image, noise))
    gain = inputs_handheld.gain_of(burst.stack.sensor, planes)
    clean = planes
    if config.strength:
        clean = shrink.shrink(planes * gain, example * gain, config.strength) / gain
    report = burst.report.note(
        noise_before=float(noise.std()), taken_out=float((clean - planes).square().mean().sqrt())
    )
    burst = replace(burst, image=clean.reshape(image.shape), report=report)
    # Networks have learnt from mosaics, in whose colours noise lies otherwise than in a video's.
    is_mosaic = len(planes) == 3 and burst.stack.colour is None
    asked = config.checkpoint != NONE and config.strength > 0
    return _corrected(burst, image, config) if is_mosaic and asked else burst


def _corrected(burst: Burst, merged: torch.Tensor, config: Config) -> Burst:
    """Return the burst with its image corrected by a network that also sees the merged one."""
    path, image = checkpoint.find(config.checkpoint), given(burst.image)
    loaded, sensor = apply.load_once(path, image.device), burst.stack.sensor
    source = apply.source_of(path, loaded, ("handheld",), "auto")
    noise, prepared = given(burst.gathered).noise, loaded.card.preparation
    evidence = inputs_handheld.prepare_handheld(merged, image, noise, sensor, prepared)
    residual = apply.correct(loaded, evidence, source, 1, image[0].numel() > WHOLE)[0]
    residual = residual * inputs_handheld.share_of(evidence, prepared)
    rms = float(residual.square().mean().sqrt())
    correction = apply.corrected_by(path, loaded, source, rms)
    return replace(
        burst,
        image=inputs_handheld.restore_handheld(evidence.base + residual, evidence, sensor),
        level=inputs_handheld.level_of(burst),
        correction=correction,
        report=apply.noted(burst.report, loaded, correction, None),
    )
