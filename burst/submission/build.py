"""Restore all stacks of a challenge and write what is handed in."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from burst import __version__
from burst.command import Exit
from burst.config import ConfigError
from burst.files.write import atomic_write, write_text
from burst.jobs.batch import Outcome, table, tell
from burst.submission.archive import Content, write_zip
from burst.submission.challenge import README
from burst.submission.check import check
from burst.submission.encode import encode_result
from burst.submission.manifest import NAME as MANIFEST
from burst.submission.package import IMAGES, package_contents
from burst.submission.plan import Submission, restore_all
from burst.submission.results import Restored, read_restored
from burst.submission.sources import Source, find_sources

LOG = logging.getLogger("burst")

RESTORED = "restored"


def build(submission: Submission, quiet: bool) -> Exit:
    """Write both zips of a submission and print their paths; what is restored already is kept.

    Without an image of every stack nothing is handed in: the zips of an earlier run go. Exit 4, or
    that of a lone stack, where stacks failed; SubmissionError for stacks that do not fit.
    """
    _check_place(submission)
    sources = find_sources(submission.root, submission.challenge)
    submission.plan.load_pipeline()
    _check_strays(submission.folder / IMAGES, {source.image for source in sources})
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
    """Refuse a place among the stacks, where the images would be taken for stacks."""
    if submission.folder.resolve().is_relative_to(submission.root.resolve()):
        raise ConfigError(
            f"--out {submission.folder.parent}: expected a place outside of --stacks"
            f" {submission.root}. Pass another --out."
        )


def _check_strays(folder: Path, images: set[str]) -> None:
    """Refuse a folder that holds other files than the images of these stacks."""
    held = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    strays = sorted(set(held) - images)
    if strays:
        raise ConfigError(
            f"{folder}: expected only images of these stacks, found {strays[0]}."
            " Pass another --name, or delete the folder."
        )


def _restore(submission: Submission, sources: Sequence[Source], quiet: bool) -> list[Outcome]:
    """Restore every stack, and encode each as it is done."""
    outcomes = []
    results = submission.folder / RESTORED
    for source, outcome in restore_all(submission.plan, sources, results, quiet):
        tell(outcome)
        outcomes.append(outcome)
        if outcome.result is not None:
            content = encode_result(outcome.job.folder, submission.challenge)
            with atomic_write(submission.folder / IMAGES / source.image) as part:
                part.write_bytes(content)
    return outcomes


def _pack(submission: Submission, sources: Sequence[Source]) -> None:
    images = {s.image: (submission.folder / IMAGES / s.image).read_bytes() for s in sources}
    restored = {s: read_restored(submission.folder / RESTORED / s.place) for s in sources}
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


def _readme(submission: Submission, restored: Mapping[Source, Restored]) -> dict[str, Content]:
    """Return the text that the challenge wants beside the images, if any."""
    template = submission.challenge.readme
    if template is None:
        return {}
    seconds = sum(done.seconds for done in restored.values()) / len(restored)
    words = {
        "runtime": f"{seconds:.2f}",
        "cpu": str(int(submission.plan.device == "cpu")),
        # Models learn from data outside of the challenge; the other stages learn from none.
        "extra_data": str(int(any(done.model for done in restored.values()))),
        "description": f"burst {__version__}, {submission.plan.load_pipeline().title}",
    }
    text = template.strip() + "\n"
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return {README: text.encode()}
