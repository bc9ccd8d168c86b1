"""Repeat a submission from its verification package, and compare the images."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from burst.config import read_pipeline
from burst.files.check import explained
from burst.files.digest import file_digest
from burst.fingerprint import code_digest
from burst.jobs.batch import log_outcome
from burst.jobs.restore import Job
from burst.submission.archive import sha256_of, unpack
from burst.submission.challenge import Challenge, raise_faults, read_challenge
from burst.submission.encode import encode_result, from_bytes
from burst.submission.manifest import NAME as MANIFEST
from burst.submission.manifest import (
    Manifest,
    StackRecord,
    differences,
    read_manifest,
    this_machine,
)
from burst.submission.package import CHALLENGE, CHECKPOINTS, IMAGES, PIPELINE, tolerance_of
from burst.submission.restore import restore_all
from burst.submission.stacks import ChallengeStack, digest_inputs, find_challenge_stacks

LOG = logging.getLogger("burst")


@dataclass(frozen=True)
class VerificationResult:
    """How many images are the same bytes, how many are not, their largest difference and the
    largest that is accepted (in units of the image), and the differences of the machines."""

    same: int
    close: int
    largest: int
    tolerance: int
    differences: tuple[str, ...]


@dataclass(frozen=True)
class VerifyOptions:
    """The machine on which a submission is repeated; None is as it was submitted."""

    device: str | None = None
    threads: int | None = None
    workers: int = 1
    quiet: bool = False


def verify(path: Path, root: Path, options: VerifyOptions) -> VerificationResult:
    """Unpack a package into a new folder, restore all stacks again, compare the images. With the
    same device, threads, processor and libraries the bytes must be the same; otherwise they may
    differ by `tolerance_of` the challenge. SubmissionError lists all differences."""
    with tempfile.TemporaryDirectory(prefix="burst-verify-") as place:
        folder = Path(place, "package")
        folder.mkdir()
        unpack(path, folder)
        manifest = read_manifest(folder / MANIFEST)
        raise_faults(path, _file_faults(folder, manifest))
        package = _Package(path, folder, manifest, read_challenge(folder / CHALLENGE))
        sources = find_challenge_stacks(root, package.challenge)
        raise_faults(path, _input_faults(sources, root, manifest))
        raise_faults(path, _strange_code(folder / PIPELINE))
        if code_digest() != manifest.code:
            LOG.warning(
                "%s: made by burst %s of other source than this one; run.sh in the package repeats"
                " it with its own.", path, manifest.version,
            )  # fmt: skip
        return _restore_again(package, sources, Path(place, "restored"), options)


@dataclass(frozen=True)
class _Package:
    path: Path
    folder: Path
    manifest: Manifest
    challenge: Challenge

    def image(self, record: StackRecord) -> bytes:
        """Return the submitted image."""
        return (self.folder / IMAGES / record.image).read_bytes()

    def model(self, record: StackRecord) -> str:
        """Return the setting that selects the packed model."""
        return f"{record.stage}.checkpoint={self.folder / _checkpoint(record)}"


def _restore_again(
    package: _Package, sources: Sequence[ChallengeStack], results: Path, options: VerifyOptions
) -> VerificationResult:
    """Restore all stacks and compare their images."""
    manifest = package.manifest
    records = {record.place: record for record in manifest.stacks}
    plan = Job(
        path=package.path,
        folder=results,
        pipeline=str(package.folder / PIPELINE),
        reading=manifest.reading,
        seed=manifest.seed,
        device=options.device or manifest.machine.device,
        threads=options.threads or manifest.machine.threads,
        resume=True,
    )
    other = differences(manifest.machine, this_machine(plan.device, plan.threads))
    models = {place: package.model(record) for place, record in records.items() if record.model}
    tolerance = tolerance_of(package.challenge) if other else 0
    same, largest, faults = 0, 0, []
    for source, outcome in restore_all(plan, options.workers, sources, options.quiet, models):
        log_outcome(outcome)
        if outcome.result is None:
            faults.append(f"{source.place}: {outcome.message}")
            continue
        content = encode_result(outcome.job.folder, package.challenge)
        if sha256_of(content) == records[source.place].sha256:
            same += 1
            continue
        distance = _distance(package, records[source.place], content)
        largest = max(largest, distance)
        if distance > tolerance or not other:
            why = (
                f"differences up to {tolerance} ({'; '.join(other)})" if other else "the same bytes"
            )
            faults.append(f"{source.image}: expected {why}, found differences up to {distance}.")
    raise_faults(package.path, faults)
    return VerificationResult(same, len(sources) - same, largest, tolerance, tuple(other))


def _distance(package: _Package, record: StackRecord, content: bytes) -> int:
    """Return the largest difference between the submitted image and the repeated one."""
    suffix = package.challenge.suffix
    with explained(record.image, "an image", "The package was not written by this program."):
        before = from_bytes(package.image(record), suffix).astype(np.int64)
        after = from_bytes(content, suffix).astype(np.int64)
        if before.shape != after.shape:
            raise ValueError(f"{before.shape} pixels, not {after.shape}")
        return int(np.abs(before - after).max())


def _file_faults(packed: Path, manifest: Manifest) -> list[str]:
    """Return which packed files differ from those in the manifest."""
    held = {p.relative_to(packed).as_posix(): p for p in packed.rglob("*") if p.is_file()}
    held.pop(MANIFEST)
    named = {
        *manifest.files,
        PIPELINE,
        CHALLENGE,
        *(f"{IMAGES}/{record.image}" for record in manifest.stacks),
        *(_checkpoint(record) for record in manifest.stacks if record.model),
    }
    faults = [f"{name}: expected it, found no such file." for name in sorted(named - set(held))]
    for name, path in sorted(held.items()):
        if name not in manifest.files:
            faults.append(f"{name}: expected it in the manifest, found it only in the package.")
        elif file_digest(path) != manifest.files[name]:
            faults.append(f"{name}: expected the bytes that the manifest names, found others.")
    return faults


def _input_faults(sources: Sequence[ChallengeStack], root: Path, manifest: Manifest) -> list[str]:
    """Return which stacks differ from those submitted."""
    records: Mapping[str, StackRecord] = {record.place: record for record in manifest.stacks}
    places = {source.place for source in sources}
    faults = [f"{place}: expected this stack in {root}." for place in sorted(set(records) - places)]
    for source in sources:
        if source.place not in records:
            faults.append(f"{source.place}: expected only stacks that were submitted.")
        elif digest_inputs(source, root) != records[source.place].inputs:
            faults.append(f"{source.place}: expected the frames that were submitted, found others.")
    return faults


def _strange_code(pipeline: Path) -> list[str]:
    """Say which stages in a package would run code that came with it."""
    return [
        f"{file.name}: expected stages of burst alone, found one of its own, which is not run"
        " unseen. Look at it, and repeat by run.sh in the package."
        for file in read_pipeline(pipeline).files.values()
    ]


def _checkpoint(record: StackRecord) -> str:
    return f"{CHECKPOINTS}/{record.model}.safetensors"
