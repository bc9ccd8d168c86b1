"""What a submission is, and how its stacks are restored: pipeline, seed, machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from burst.files.read import ReadOptions
from burst.jobs.bar import bar_of
from burst.jobs.batch import Outcome, run_all
from burst.jobs.budget import share_memory
from burst.jobs.restore import Job
from burst.machine import available_memory
from burst.pipeline import Pipeline, load
from burst.submission.challenge import Challenge
from burst.submission.stacks import ChallengeStack


@dataclass(frozen=True)
class RestoreSettings:
    """All that determines the bytes of the images besides the stacks; `threads` are those of one
    stack."""

    pipeline: str
    assignments: tuple[str, ...] = ()
    reading: ReadOptions = field(default_factory=ReadOptions)
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    workers: int = 1

    def load_pipeline(self) -> Pipeline:
        """Load the pipeline with its overrides; ConfigError if it is invalid."""
        return load(self.pipeline, self.assignments)


@dataclass(frozen=True)
class Submission:
    """A submission: name, folder of the stacks, challenge, settings, and folder for the result."""

    name: str
    root: Path
    challenge_file: Path
    challenge: Challenge
    plan: RestoreSettings
    folder: Path

    @property
    def archive(self) -> Path:
        """The zip that is submitted."""
        return self.folder / f"{self.name}.zip"

    @property
    def verification(self) -> Path:
        """The zip that the best teams submit afterwards."""
        return self.folder / f"{self.name}-verification.zip"


def restore_all(
    plan: RestoreSettings,
    sources: Sequence[ChallengeStack],
    folder: Path,
    quiet: bool,
    models: Mapping[str, str] | None = None,
) -> Iterator[tuple[ChallengeStack, Outcome]]:
    """Yield each stack when it has been restored into `folder`; existing results are kept. `models`
    holds a further `stage.key=value` for some stacks, by their place."""
    made = [_job(plan, source, folder, (models or {}).get(source.place)) for source in sources]
    workers = min(plan.workers, len(made))
    jobs = share_memory(made, workers, available_memory())
    by_folder = {job.folder: source for job, source in zip(jobs, sources, strict=True)}
    with bar_of(len(jobs), quiet) as show:
        for outcome in run_all(jobs, workers, quiet, show):
            yield by_folder[outcome.job.folder], outcome


def _job(plan: RestoreSettings, source: ChallengeStack, folder: Path, model: str | None) -> Job:
    return Job(
        path=source.path,
        folder=folder / source.place,
        pipeline=plan.pipeline,
        assignments=(*plan.assignments, *([model] if model else [])),
        reading=plan.reading,
        device=plan.device,
        threads=plan.threads,
        seed=plan.seed,
        resume=True,
    )
