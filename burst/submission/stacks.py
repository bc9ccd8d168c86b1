"""The stacks of a challenge: their paths, the names of their images, their digests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from burst.files.digest import file_digest
from burst.files.folder import is_result, is_stack, visible_entries
from burst.files.sidecar import find_sidecar
from burst.submission.challenge import Challenge, SubmissionError


@dataclass(frozen=True)
class ChallengeStack:
    """One stack: its path, its place below the root ("low/a"), and the name of its image."""

    path: Path
    place: str
    image: str


def find_challenge_stacks(root: Path, challenge: Challenge) -> list[ChallengeStack]:
    """Return the stacks in a folder and its subfolders, sorted by place. SubmissionError if their
    number or folders are not those of the challenge, or two stacks would give images of the same
    name."""
    if not os.path.isdir(root):
        raise SubmissionError(f"--stacks {root}: expected a folder of stacks, found none there.")
    sources = [_source(path, root, challenge) for path in _stacks_in(root)]
    if not sources:
        raise SubmissionError(f"--stacks {root}: expected stacks in it, found none.")
    faults = [*_count_faults(root, sources, challenge), *_name_collisions(root, sources)]
    if faults:
        raise SubmissionError("\n".join(faults))
    return sorted(sources, key=lambda source: source.place)


def digest_inputs(source: ChallengeStack, root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a stack and of its sidecar, by path below root; of the
    target of a link, by its own path."""
    path, sidecar = source.path, find_sidecar(source.path)
    files = [f for f in visible_entries(path) if f.is_file()] if path.is_dir() else [path]
    if sidecar and sidecar not in files:
        files.append(sidecar)
    below = (file.relative_to(root) if file.is_relative_to(root) else file for file in files)
    return {name.as_posix(): file_digest(file) for name, file in zip(below, files, strict=True)}


def _stacks_in(folder: Path) -> list[Path]:
    found = []
    for entry in visible_entries(folder):
        if is_stack(entry):
            found.append(entry)
        elif entry.is_dir() and not is_result(entry):
            found += _stacks_in(entry)
    return found


def _source(path: Path, root: Path, challenge: Challenge) -> ChallengeStack:
    place = path.relative_to(root)
    stem = path.name if path.is_dir() else path.stem
    image = challenge.image_of(stem, path.parent.name)
    return ChallengeStack(path, place.with_name(stem).as_posix(), image)


def _count_faults(root: Path, sources: Sequence[ChallengeStack], challenge: Challenge) -> list[str]:
    """Return where there are more or fewer stacks than the challenge has."""
    faults = []
    if challenge.count is not None and len(sources) != challenge.count:
        faults.append(
            f"--stacks {root}: expected {challenge.count} stacks, found {len(sources)}."
            " Pass the folder of the whole set, or a --challenge of this size."
        )
    if challenge.count is not None and challenge.folders:
        share = challenge.count // len(challenge.folders)
        held = Counter(source.path.parent.name for source in sources)
        faults += [
            f"{root / folder}: expected {share} stacks, found {held[folder]}."
            for folder in challenge.folders
            if held[folder] != share
        ]
    return faults


def _name_collisions(root: Path, sources: Sequence[ChallengeStack]) -> list[str]:
    """Return which stacks would give images of the same name, ignoring case as many disks do."""
    by_name: dict[str, list[str]] = {}
    for source in sources:
        place = source.path.relative_to(root).as_posix()
        by_name.setdefault(source.image.casefold(), []).append(place)
    return [
        f"{' and '.join(places)}: expected an image name for each, found {name} for all."
        ' Pass a challenge file whose image name holds the folder, as "{folder}_{stem}_out.npy".'
        for name, places in by_name.items()
        if len(places) > 1
    ]
