"""What a submission is, how its stacks are restored, and what their reports say of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burst.files.check import explained
from burst.files.digest import file_digest
from burst.jobs.bar import bar_of
from burst.jobs.batch import Outcome, run_all
from burst.jobs.budget import share_memory
from burst.jobs.restore import Job
from burst.machine import available_memory
from burst.network.checkpoint import CheckpointError, find
from burst.submission.challenge import Challenge
from burst.submission.stacks import ChallengeStack

REPORT = "report.json"
SELECTION = ("kept", "sharpness", "weights", "reasons")


@dataclass(frozen=True)
class Submission:
    """A submission: name, folder of the stacks, challenge, and folder for the result; the job that
    stands for those of all stacks, and how many of them run at a time."""

    name: str
    root: Path
    challenge_file: Path
    challenge: Challenge
    plan: Job
    folder: Path
    workers: int = 1

    @property
    def archive(self) -> Path:
        """The zip that is submitted."""
        return self.folder / f"{self.name}.zip"

    @property
    def verification(self) -> Path:
        """The zip that the best teams submit afterwards."""
        return self.folder / f"{self.name}-verification.zip"


def restore_all(
    plan: Job,
    workers: int,
    sources: Sequence[ChallengeStack],
    quiet: bool,
    models: Mapping[str, str] | None = None,
) -> Iterator[tuple[ChallengeStack, Outcome]]:
    """Yield each stack when it has been restored into the folder of `plan`; existing results are
    kept. `models` holds a further `stage.key=value` for some stacks, by their place."""
    made = []
    for source in sources:
        model = [models[source.place]] if models and source.place in models else []
        assignments = (*plan.assignments, *model)
        folder = plan.folder / source.place
        made.append(replace(plan, path=source.path, folder=folder, assignments=assignments))
    workers = min(workers, len(made))
    jobs = share_memory(made, workers, available_memory())
    by_folder = {job.folder: source for job, source in zip(jobs, sources, strict=True)}
    with bar_of(len(jobs), quiet) as show:
        for outcome in run_all(jobs, workers, quiet, show):
            yield by_folder[outcome.job.folder], outcome


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
