"""Remove remaining distortion, blur and noise from images of instants with a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from burst.lazy import torch
from burst.network import apply, checkpoint, inputs_rolling
from burst.network.card import PriorSetting, Ways
from burst.network.checkpoint import find
from burst.progress import counted
from burst.records import Burst, given
from burst.settings import checked, setting

NEEDS = ("noise", "image", "views", "unrolled")
GIVES = ("image", "level", "correction")
COLOUR = True  # takes `image` [..., 3, h, w] of a stack in colour


@checked
@dataclass(frozen=True)
class Config:
    """Which network, and how it is used."""

    checkpoint: Annotated[str, setting("the network, by name or path")]
    prior: PriorSetting = "auto"
    ensemble: Annotated[
        Ways, setting("in how many turned and mirrored ways each image is corrected, to average")
    ] = 2


def files(config: Config) -> list[Path]:
    """Return the checkpoint; CheckpointError where there is none."""
    return [find(config.checkpoint)]


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the corrected images."""
    image, views = given(burst.image), given(burst.views)
    path = checkpoint.find(config.checkpoint)
    loaded = apply.load_once(path, image.device)
    kind = given(burst.unrolled).shutter
    source = apply.source_of(path, loaded, (kind,), config.prior)
    # Where no frame shows the scene, the image is extrapolated and stays as it is.
    seen = views.trust.amax(1).to(image).repeat_interleave(views.images.shape[2], dim=0)
    corrected, square = [], 0.0
    card = loaded.card
    ends = [card.ranges.get(k, (-torch.inf, torch.inf)) for k in card.preparation.scalars]
    low, high = torch.tensor(ends).to(image).T
    # One after another, to save memory: a recording has many instants of three colours each.
    found = inputs_rolling.prepare_shutter(burst, card.preparation)
    for where, evidence in zip(counted(seen, "correct: images"), found, strict=True):
        # A network is told of no more than it has learnt: of ten frames as of the most.
        evidence = replace(evidence, scalars=evidence.scalars.clamp(low, high))
        residual = where * apply.correct(loaded, evidence, source, config.ensemble)[0]
        corrected.append(
            inputs_rolling.restore_shutter(evidence.base + residual, evidence, burst.stack.sensor)
        )
        square += float(residual.square().mean())
    level = inputs_rolling.level_of(burst)
    rms = (square / len(corrected)) ** 0.5
    correction = apply.corrected_by(path, loaded, source, rms)
    warning = checkpoint.range_warning(card, level)
    if warning:
        warning += f" (Displacements as if the shorter side were {inputs_rolling.SIDE} px.)"
        warning += f" The result may be worse than that of --pipeline {kind}_geometry."
    report = apply.noted(burst.report, loaded, correction, warning)
    image = torch.stack(corrected).reshape(image.shape)
    return replace(burst, image=image, level=level, correction=correction, report=report)
