"""Restore all stacks of a challenge and write the submission."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from burst.about import __version__
from burst.command import Exit
from burst.files.write import atomic_write, write_bytes, write_text
from burst.jobs.batch import Outcome, log_outcome, table
from burst.settings import ConfigError
from burst.submission.archive import Content, write_zip
from burst.submission.challenge import README
from burst.submission.check import check
from burst.submission.encode import encode_result
from burst.submission.manifest import NAME as MANIFEST
from burst.submission.package import IMAGES, package_contents
from burst.submission.restore import RestoredStack, Submission, read_restored, restore_all
from burst.submission.stacks import ChallengeStack, find_challenge_stacks

LOG = logging.getLogger("burst")


def build(submission: Submission, quiet: bool) -> Exit:
    """Write both zips of a submission and print their paths; stacks that are already restored are
    kept.

    If a stack failed, no zip is written and those of an earlier run are deleted. Returns exit code
    4 then, or that of the only stack; SubmissionError for stacks that do not fit the challenge.
    """
    _check_place(submission)
    sources = find_challenge_stacks(submission.root, submission.challenge)
    submission.plan.load_pipeline()
    _check_other_files(submission.folder / IMAGES, {source.image for source in sources})
    for path in (submission.archive, submission.verification):
        path.unlink(missing_ok=True)
    outcomes = _restore(submission, sources, quiet)
    failed = [outcome for outcome in outcomes if outcome.result is None]
    if failed:
        LOG.info(table(outcomes))
        LOG.error(
            f"{submission.archive}: expected all stacks restored, {len(failed)} of {len(outcomes)}"
            " failed, so it is not written. The same command goes on with those."
        )
        return failed[0].exit if len(outcomes) == 1 else Exit.SOME_FAILED
    _pack(submission, sources)
    return Exit.DONE


def _check_place(submission: Submission) -> None:
    """Raise ConfigError for a place among the stacks, where images would be taken for stacks."""
    if submission.folder.resolve().is_relative_to(submission.root.resolve()):
        raise ConfigError(
            f"--out {submission.folder.parent}: expected a place outside of --stacks"
            f" {submission.root}. Pass another --out."
        )


def _check_other_files(folder: Path, images: set[str]) -> None:
    """Raise ConfigError for a folder with other files than the images of these stacks."""
    held = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    strays = sorted(set(held) - images)
    if strays:
        raise ConfigError(
            f"{folder}: expected only images of these stacks, found {strays[0]}."
            " Pass another --name, or delete the folder."
        )


def _restore(
    submission: Submission, sources: Sequence[ChallengeStack], quiet: bool
) -> list[Outcome]:
    """Restore every stack, and encode its image."""
    outcomes = []
    for source, outcome in restore_all(submission.plan, submission.workers, sources, quiet):
        log_outcome(outcome)
        outcomes.append(outcome)
        if outcome.result is not None:
            content = encode_result(outcome.job.folder, submission.challenge)
            write_bytes(submission.folder / IMAGES / source.image, content)
    return outcomes


def _pack(submission: Submission, sources: Sequence[ChallengeStack]) -> None:
    images = {s.image: (submission.folder / IMAGES / s.image).read_bytes() for s in sources}
    restored = {s: read_restored(submission.plan.folder / s.place) for s in sources}
    contents: dict[str, Content] = {**images, **_readme(submission, restored)}
    with atomic_write(submission.archive) as part:
        write_zip(part, contents)
        count = check(part, submission.challenge, images)
    print(submission.archive)
    packed, manifest = package_contents(submission, restored, images)
    write_text(submission.folder / MANIFEST, manifest.to_json())
    with atomic_write(submission.verification) as part:
        write_zip(part, {**packed, MANIFEST: manifest.to_json().encode()})
    print(submission.verification)
    LOG.info("%s: %d images as the challenge wants them", submission.archive, count)


def _readme(
    submission: Submission, restored: Mapping[ChallengeStack, RestoredStack]
) -> dict[str, Content]:
    """Return the readme that the challenge requires, if any."""
    template = submission.challenge.readme
    if template is None:
        return {}
    seconds = sum(done.seconds for done in restored.values()) / len(restored)
    words = {
        "runtime": f"{seconds:.2f}",
        "cpu": str(int(submission.plan.device == "cpu")),
        # Models are trained on data outside of the challenge; other stages are not trained.
        "extra_data": str(int(any(done.model for done in restored.values()))),
        "description": f"burst {__version__}, {submission.plan.load_pipeline().title}",
    }
    text = template.strip() + "\n"
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return {README: text.encode()}
