"""What the stages that end in a network have in common: which prior, and does it fit the stages."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from burst.network.card import Card
from burst.network.checkpoint import CheckpointError, Loaded, load, name_of, range_warning
from burst.network.inputs import Evidence
from burst.network.preparation import Kind
from burst.records import Correction, Level, Report

Prior = Literal["encoder", "diffusion", "none"]

# Settings that say what is made of a recording, not how well.
CHOICES = {"unroll": ("instants", "frame", "video", "readout_ratio"), "merge": ("scale",)}
# Stages that leave a clean stack as it is: networks need not have been trained behind them.
CLEANING = ("screen",)
# Between these a correction is taken back to nothing: of the level's distance (log), and of a
# scalar in standard deviations. Simulated stacks of all levels reach 2.5; those on which networks
# did harm lie beyond 1 or 3.3, those where they helped within .7 or 3. Blurs narrower than that of
# sharp optics (.9) were in no training: they helped at 2, and did harm at 3.2.
STRANGE_LEVEL, STRANGE_SCALAR, NARROW_BLUR = (0.5, 1.0), (3.0, 3.4), (2.1, 2.9)
# Less noise than in training did no harm: real text boards are a third as noisy as any stack that
# the networks learnt from, and easier to read with one.
NOISES, QUIET_SCALAR = ("noise", "shot", "read"), (4.5, 5.5)
# Real text boards misfit by 2.4 to 3.8 deviations behind their codec and are easier to read with a
# network, and 15 stacks behind JPEG gain .8 dB. What is 4 and more is given as 4: of those stacks
# networks improve some, and take .2 to 2.8 dB from others.
CODEC_MISFIT = (3.85, 4.0)
# Share of a correction there by networks that have seen such stacks. On ten videos and enlarged
# stacks of other worlds half is as good as all, and on a real one the codec's blocks stand out by
# 10 dB instead of 15 (8 without a network; see `burst/measure/artefacts.py`).
BEHIND_CODEC = 0.5
CODEC = "Far more than noise differs between the frames, as behind a codec."
LABELS = {
    "noise": "noise after merging",
    "shot": "shot noise",
    "read": "read noise",
    "frames": "number of frames",
    "psf_sigma": "blur",
    "misfit": "misfit after alignment",
    "strength": "motion of the air",
}


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
    channels = {"dual_reversed": (1, 3), "handheld": (3,)}.get(card.preparation.kind, (1,))
    if card.spec.teacher or card.spec.channels not in channels:
        raise CheckpointError(
            f"{path}: expected a network that does without the truth, for"
            f" {' or '.join(map(str, channels))} channel{'s' if channels[-1] > 1 else ''}, found"
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


def correct(
    loaded: Loaded, evidence: Evidence, prior: Prior, ensemble: int, tiled: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return what a network adds to the base of its evidence [(c,) h, w], encoded, and the standard
    deviation [h, w] of the error that is left; None from a network that does not say it. Tile by
    tile if it is to take little memory."""
    with torch.no_grad():
        planes, scalars = evidence.planes[None], evidence.scalars[None]
        source = None if prior == "none" else prior
        said = loaded.model.predict(planes, scalars, source, ensemble, tiled)[0]
    residual = said[: loaded.card.spec.channels] if evidence.base.ndim == 3 else said[0]
    return residual, said[-1].exp() if loaded.card.spec.deviation else None


def corrected_by(path: Path, loaded: Loaded, prior: Prior, rms: float) -> Correction:
    """Return which network corrected an image, how, and by how much (rms, encoded)."""
    return Correction(name_of(path), loaded.sha256, prior, rms)


def familiarity(card: Card, level: Level, scalars: Sequence[float]) -> tuple[float, str | None]:
    """Return how far a network may be trusted with a stack, 0 to 1, and why where it is below 1:
    its level, and the scalars that the network is given, as far as it was trained on their like."""
    louder = replace(level, noise=max(level.noise, card.level.noise[0]))
    share = fade(card.level.distance(louder), *STRANGE_LEVEL)
    reason = range_warning(card, level) if share < 1 else None
    for name, value in zip(card.preparation.scalars, scalars, strict=True):
        # Frames that do not move within a frame are in every network's training.
        off = value if name == "row_motion" else abs(value)
        limits = STRANGE_SCALAR
        if value < 0 and name == "psf_sigma":
            limits = NARROW_BLUR
        elif value < 0 and name in NOISES:
            limits = QUIET_SCALAR
        elif value > 0 and name == "misfit":
            limits = CODEC_MISFIT
        trusted = fade(off, *limits)
        low, high = card.ranges.get(name, (1.0, 0.0))
        learnt = low <= value <= high
        if learnt:
            trusted = max(trusted, BEHIND_CODEC if name == "misfit" else 1.0)
        if trusted < share:
            share = trusted
            reason = CODEC if learnt else _strange(card, name, value)
    return share, reason


def _strange(card: Card, name: str, value: float) -> str:
    return (
        f"'{card.name}' was not trained on stacks like this: its {LABELS.get(name, name)} is"
        f" {abs(value):.1f} standard deviations {'above' if value > 0 else 'below'} the usual."
    )


def fade(value: float, start: float, end: float) -> float:
    """Return 1 up to `start`, 0 from `end` on, and a line between."""
    return min(max((end - value) / (end - start), 0.0), 1.0)


def noted(report: Report, loaded: Loaded, correction: Correction, warning: str | None) -> Report:
    """Return a report that says how an image was corrected and what to doubt: `warning`, and other
    stages than those that the network was trained on."""
    report = report.note(
        checkpoint=correction.checkpoint,
        checkpoint_sha256=correction.sha256,
        prior=correction.prior,
        correction_rms=correction.rms,
    )
    for text in (warning, other_stages(report, loaded)):
        report = report.warn(text) if text else report
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
