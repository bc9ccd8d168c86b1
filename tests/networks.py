"""Tiny networks and their checkpoints that several tests share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec
from burst.network.card import Card, LevelRange
from burst.network.checkpoint import save
from burst.network.preparation import Preparation
from burst.pipeline import load

TINY = RestorerSpec(evidence=2, scalars=1, width=4, depths=(1, 1), prior_width=8)
PREPARATION = Preparation(("merged", "restored"), ("noise",))
WIDE = LevelRange((1e-4, 1.0), (0.0, 100.0))


def lively(spec: RestorerSpec = TINY, seed: int = 0) -> Restorer:
    """Return a network whose every weight is random, so that nothing is zero by design."""
    torch.manual_seed(seed)
    model = Restorer(spec).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    return model


def tiny_card(name: str = "tiny", level: LevelRange = WIDE) -> Card:
    """Return the card of a tiny network that comes after the classical stages."""
    return Card(
        name=name,
        spec=TINY,
        preparation=PREPARATION,
        pipeline=load("classical").to_toml(),
        level=level,
        training={"recipe": "test", "steps": 0, "data": ["none"]},
        scores={"gain in dB": -1.5},
        priors=("encoder", "diffusion", "none"),
    )


def write_checkpoint(folder: Path, name: str = "tiny", seed: int = 0, **changes: object) -> Path:
    """Write a checkpoint of a tiny network into a folder and return its path."""
    card = replace(tiny_card(name), **changes)  # type: ignore[arg-type]
    path = folder / f"{name}.safetensors"
    save(path, lively(card.spec, seed).state_dict(), card)
    return path
