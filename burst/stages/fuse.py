"""Correct the classical result by a network that fits the stack."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator

if TYPE_CHECKING:
    from burst.checkpoint import Loaded
    from burst.records import Burst, Report

NEEDS = (
    "linear", "noise", "weights", "tile_sharpness", "flow", "level", "psf", "merged", "image",
)  # fmt: skip
GIVES = ("image",)

Prior = Literal["encoder", "diffusion", "none"]


def _names_a_network(checkpoint: str) -> str:
    if checkpoint in ("", "none"):
        raise ValueError(
            "expected auto, a name or a path (without a network restore by pipelines/classical.toml"
            " instead: --pipeline classical)"
        )
    return checkpoint


@dataclass(frozen=True)
class Config:
    """Which network, and how it is used.

    checkpoint  name or path; "auto" takes the one whose range holds the stack
    prior       where the network's prior comes from; "auto" is the card's first
    ensemble    restore the image in all 8 turned and mirrored ways and average
    """

    checkpoint: Annotated[str, AfterValidator(_names_a_network)] = "auto"
    prior: Literal["auto", "encoder", "diffusion", "none"] = "auto"
    ensemble: bool = True


def files(config: Config) -> list[Path]:
    """Return the checkpoints that may be used; CheckpointError where there is none."""
    from burst.checkpoint import candidates

    return candidates(config.checkpoint)


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the corrected image."""
    import torch

    from burst import checkpoint
    from burst.prepare import prepare, restore

    assert burst.level is not None
    assert burst.image is not None
    if config.checkpoint == checkpoint.AUTO:
        path = checkpoint.choose(burst.level)
    else:
        path = checkpoint.find(config.checkpoint)
    loaded = checkpoint.load(path, burst.image.device)
    source = _source(path, loaded, config)
    evidence = prepare(burst, loaded.card.preparation)
    with torch.no_grad():
        residual = loaded.model.predict(
            evidence.planes[None],
            evidence.scalars[None],
            None if source == "none" else source,
            config.ensemble,
        )[0, 0]
    report = burst.report.note(
        checkpoint=checkpoint.name_of(path),
        checkpoint_sha256=loaded.sha256,
        prior=source,
        correction_rms=float(residual.square().mean().sqrt()),
    )
    for doubt in (checkpoint.doubt(loaded.card, burst.level), _other_stages(report, loaded)):
        report = report.warn(doubt) if doubt else report
    return replace(burst, image=restore(evidence.base + residual, evidence), report=report)


def _source(path: Path, loaded: Loaded, config: Config) -> Prior:
    """Return where the prior comes from; CheckpointError where this network cannot do that."""
    from burst.checkpoint import CheckpointError

    card = loaded.card
    if card.spec.teacher or card.spec.channels != 1:
        raise CheckpointError(
            f"{path}: expected a network for one channel that does without the truth, found"
            f" {'a teacher' if card.spec.teacher else f'{card.spec.channels} channels'}."
        )
    wanted: Any = card.priors[0] if config.prior == "auto" else config.prior
    if wanted not in card.priors:
        raise CheckpointError(
            f"{path}: expected a prior from {' or '.join(card.priors)}, found fuse.prior ="
            f" '{wanted}'."
        )
    source: Prior = wanted
    return source


def _other_stages(report: Report, loaded: Loaded) -> str | None:
    """Return a warning where the stages so far are not those that the network was trained on."""
    trained = tomllib.loads(loaded.card.pipeline)
    names = [entry.stage for entry in report.entries[:-1]]
    if names != trained.get("stages", []):
        return (
            f"'{loaded.card.name}' was trained on the stages {', '.join(trained.get('stages', []))}"
            f" but comes after {', '.join(names)}."
        )
    for entry in report.entries[:-1]:
        for key, value in trained.get(entry.stage, {}).items():
            found = json.loads(json.dumps(entry.settings.get(key)))
            if found != value:
                return (
                    f"'{loaded.card.name}' was trained with {entry.stage}.{key} = {value},"
                    f" not {found}."
                )
    return None
