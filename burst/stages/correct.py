"""Remove remaining distortion, blur and noise from images of instants with a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from burst.progress import counted
from burst.records import given
from burst.settings import checked, setting

if TYPE_CHECKING:
    from burst.network.preparation import Kind
    from burst.records import Burst

NEEDS = ("noise", "image", "views", "unrolled")
GIVES = ("image", "level", "correction")
COLOUR = True  # takes `image` [..., 3, h, w] of a stack in colour

KINDS: tuple[Kind, ...] = ("rolling", "dual_reversed", "global_reset")


@checked
@dataclass(frozen=True)
class Config:
    """Which network, and how it is used."""

    checkpoint: Annotated[str, setting("the network, by name or path")]
    prior: Annotated[
        Literal["auto", "encoder", "diffusion", "none"],
        setting("where the network's prior comes from; auto: the first that its card names"),
    ] = "auto"
    ensemble: Annotated[
        bool, setting("correct each image in all 8 turned and mirrored ways, and average")
    ] = False


def files(config: Config) -> list[Path]:
    """Return the checkpoint; CheckpointError where there is none."""
    from burst.network.checkpoint import find

    return [find(config.checkpoint)]


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the corrected images."""
    import torch

    from burst.network import checkpoint
    from burst.network.apply import correct, corrected_by, load_once, noted, source_of
    from burst.network.inputs_rolling import level_of, prepare_shutter, restore_shutter

    image, views = given(burst.image), given(burst.views)
    path = checkpoint.find(config.checkpoint)
    loaded = load_once(path, image.device)
    kind = given(burst.unrolled).shutter
    source = source_of(path, loaded, (kind,), config.prior)
    # Where no frame shows the scene, the image is extrapolated and stays as it is.
    seen = views.trust.amax(1).to(image).repeat_interleave(views.images.shape[2], dim=0)
    corrected, square = [], 0.0
    # One after another, to save memory: a recording has many instants of three colours each.
    found = prepare_shutter(burst, loaded.card.preparation)
    for where, evidence in zip(counted(seen, "correct: images"), found, strict=True):
        residual = where * correct(loaded, evidence, source, config.ensemble)[0]
        corrected.append(restore_shutter(evidence.base + residual, evidence, burst.stack.sensor))
        square += float(residual.square().mean())
    level = level_of(burst)
    rms = (square / len(corrected)) ** 0.5
    correction = corrected_by(path, loaded, source, rms)
    warning = checkpoint.range_warning(loaded.card, level)
    if warning:
        warning += f" The result may be worse than that of --pipeline {kind}_geometry."
    report = noted(burst.report, loaded, correction, warning)
    image = torch.stack(corrected).reshape(image.shape)
    return replace(burst, image=image, level=level, correction=correction, report=report)
