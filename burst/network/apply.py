"""What the stages that end in a network have in common: which prior, and does it fit the stages."""

from __future__ import annotations

import json
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from burst.network.checkpoint import CheckpointError, Loaded, doubt, load, name_of
from burst.network.preparation import Kind
from burst.records import Correction, Level, Report

if TYPE_CHECKING:
    import torch

    from burst.network.inputs import Evidence

Prior = Literal["encoder", "diffusion", "none"]

# Settings that say what is made of a recording, not how well.
CHOICES = {"unroll": ("instants", "frame", "video", "readout_ratio")}
# Stages that leave a clean stack as it is: networks need not have been trained behind them.
CLEANING = ("screen",)


def load_once(path: Path, device: torch.device) -> Loaded:
    """Load a checkpoint; a process that restores many stacks reads it once.

    CheckpointError as `checkpoint.load`. The network is shared and must not be changed.
    """
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _loaded(path, str(device), changed)


def source_of(path: Path, loaded: Loaded, kinds: tuple[Kind, ...], wanted: str) -> Prior:
    """Return where the prior comes from; CheckpointError where this network cannot do that, or is
    for another kind of measurement."""
    card = loaded.card
    if card.preparation.kind not in kinds:
        raise CheckpointError(
            f"{path}: expected a network for {' or '.join(kinds)}, found one for"
            f" {card.preparation.kind}. Name another checkpoint."
        )
    # A network that has learnt from pairs alone says a velocity beside the image.
    channels = (1, 3) if card.preparation.kind == "dual_reversed" else (1,)
    if card.spec.teacher or card.spec.channels not in channels:
        raise CheckpointError(
            f"{path}: expected a network for one channel that does without the truth, found"
            f" {'a teacher' if card.spec.teacher else f'{card.spec.channels} channels'}."
        )
    prior: Any = card.priors[0] if wanted == "auto" else wanted
    if prior not in card.priors:
        raise CheckpointError(
            f"{path}: expected a prior from {' or '.join(card.priors)}, found prior ="
            f" '{prior}' in the settings of the stage."
        )
    source: Prior = prior
    return source


def residual_of(loaded: Loaded, evidence: Evidence, prior: Prior, ensemble: bool) -> torch.Tensor:
    """Return what a network adds to the base of its evidence [h, w], encoded."""
    import torch

    with torch.no_grad():
        planes, scalars = evidence.planes[None], evidence.scalars[None]
        source = None if prior == "none" else prior
        return loaded.model.predict(planes, scalars, source, ensemble)[0, 0]


def corrected_by(path: Path, loaded: Loaded, prior: Prior, rms: float) -> Correction:
    """Return which network corrected an image, how, and by how much (rms, encoded)."""
    return Correction(name_of(path), loaded.sha256, prior, rms)


def noted(report: Report, loaded: Loaded, correction: Correction, level: Level) -> Report:
    """Return a report that says how an image of this level was corrected, and what to doubt."""
    report = report.note(
        checkpoint=correction.checkpoint,
        checkpoint_sha256=correction.sha256,
        prior=correction.prior,
        correction_rms=correction.rms,
    )
    for warning in (doubt(loaded.card, level), other_stages(report, loaded)):
        report = report.warn(warning) if warning else report
    return report


@lru_cache(maxsize=4)
def _loaded(path: Path, device: str, _changed: int) -> Loaded:
    return load(path, device)


def other_stages(report: Report, loaded: Loaded) -> str | None:
    """Return a warning where the stages so far are not those that the network was trained on."""
    trained = tomllib.loads(loaded.card.pipeline)
    entries = [entry for entry in report.entries[:-1] if entry.stage not in CLEANING]
    names = [entry.stage for entry in entries]
    learnt = [stage for stage in trained.get("stages", []) if stage not in CLEANING]
    if names != learnt:
        return (
            f"'{loaded.card.name}' was trained on the stages {', '.join(learnt)}"
            f" but comes after {', '.join(names)}."
        )
    for entry in entries:
        for key, value in trained.get(entry.stage, {}).items():
            found = json.loads(json.dumps(entry.settings.get(key)))
            if found != value and key not in CHOICES.get(entry.stage, ()):
                return (
                    f"'{loaded.card.name}' was trained with {entry.stage}.{key} = {value},"
                    f" not {found}."
                )
    return None
