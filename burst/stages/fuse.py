"""Correct the classical result by a network that fits the stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from burst.config import checked, setting
from burst.records import given

if TYPE_CHECKING:
    from burst.records import Burst

NEEDS = (
    "linear", "noise", "weights", "tile_sharpness", "flow", "level", "psf", "merged", "image",
    "alignment", "turbulence", "merging",
)  # fmt: skip
GIVES = ("image", "correction")


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
    prior: Annotated[
        Literal["auto", "encoder", "diffusion", "none"],
        setting("where the network's prior comes from; auto: the first that its card names"),
    ] = "auto"
    ensemble: Annotated[
        bool, setting("restore the image in all 8 turned and mirrored ways, and average")
    ] = True


def files(config: Config) -> list[Path]:
    """Return the checkpoints that may be used; CheckpointError where there is none."""
    from burst.network.checkpoint import candidates

    return candidates(config.checkpoint)


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the corrected image."""
    from burst.network import checkpoint
    from burst.network.apply import corrected_by, load_once, noted, residual_of, source_of
    from burst.network.inputs import prepare, restore

    level, image = given(burst.level), given(burst.image)
    if config.checkpoint == checkpoint.AUTO:
        path = checkpoint.choose(level)
    else:
        path = checkpoint.find(config.checkpoint)
    loaded = load_once(path, image.device)
    source = source_of(path, loaded, ("turbulence",), config.prior)
    evidence = prepare(burst, loaded.card.preparation)
    residual = residual_of(loaded, evidence, source, config.ensemble)
    rms = float(residual.square().mean().sqrt())
    correction = corrected_by(path, loaded, source, rms)
    report = noted(burst.report, loaded, correction, level)
    image = restore(evidence.base + residual, evidence)
    return replace(burst, image=image, correction=correction, report=report)
