"""Read frames, model and time of a restored stack from its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burst.files.check import explained
from burst.files.digest import file_digest
from burst.network.checkpoint import CheckpointError, find

REPORT = "report.json"
SELECTION = ("kept", "sharpness", "weights", "reasons")


@dataclass(frozen=True)
class UsedModel:
    """A checkpoint that a stage used: the stage's name, the file, its SHA-256."""

    stage: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class RestoredStack:
    """One restored stack according to its report: which frames were kept, their sharpness and
    weights, and why others were dropped. None for stages that did not run."""

    seconds: float
    frames: Mapping[str, Any] | None
    model: UsedModel | None


def read_restored(folder: Path) -> RestoredStack:
    """Read the report in a folder of results; StackError if broken, CheckpointError for models."""
    path = folder / REPORT
    with explained(path, "the report of a run", "Remove its folder, and restore the stack again."):
        stages = json.loads(path.read_text("utf-8"))["stages"]
        numbers = {stage["stage"]: stage["numbers"] for stage in stages}
        seconds = sum(stage["seconds"] for stage in stages)
        selected = numbers.get("select")
        frames = selected and {name: selected[name] for name in SELECTION}
        used = [
            (stage, noted["checkpoint"], noted["checkpoint_sha256"])
            for stage, noted in numbers.items()
            if noted.get("checkpoint")
        ]
    models = [_model(*one) for one in used]
    return RestoredStack(seconds, frames, models[0] if models else None)


def _model(stage: str, name: str, sha256: str) -> UsedModel:
    """Find the checkpoint; CheckpointError if it differs from the one that was used."""
    path = find(name)
    if file_digest(path) != sha256:
        raise CheckpointError(
            f"{path}: expected the checkpoint that made the images, found another of its name."
            " Bring the former back, or restore the stacks under another --name."
        )
    return UsedModel(stage, path, sha256)
