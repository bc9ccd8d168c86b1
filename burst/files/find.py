"""Turn paths and globs of the command line into paths of stacks."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from burst.files.folder import (
    ACCEPTED,
    FITS_SUFFIXES,
    IMAGE_SUFFIXES,
    RAW_SUFFIXES,
    frames_in,
    is_result,
    is_stack,
    natural_key,
    suffix_of,
    visible_entries,
)
from burst.files.layouts.published import sequences_in
from burst.records import StackError


def find_stacks(patterns: Sequence[str]) -> list[Path]:
    """Return the stacks that files, folders and globs name, in order and each once.

    A folder is one stack if it holds frames, else a folder of stacks, or of folders of them.
    StackError says which pattern names nothing; results of a former run are passed over.
    """
    found = [path for pattern in patterns for path in _stacks_of(pattern)]
    if not found:
        raise StackError(f"--stack: expected at least one path, found none. Pass {ACCEPTED}.")
    return list(dict.fromkeys(found))


def _stacks_of(pattern: str) -> list[Path]:
    path = Path(pattern)
    # A file with a bracket in its name is a file, not a glob.
    if os.path.exists(path):
        return _stacks_in(path) if path.is_dir() else [path]
    if not glob.has_magic(pattern):
        raise StackError(f"{pattern}: expected a file or folder, found nothing there. Check it.")
    return _stacks_of_glob(pattern)


def _stacks_in(folder: Path) -> list[Path]:
    if is_result(folder):
        raise StackError(
            f"{folder}: expected a stack, found the results of a former run."
            " Pass the stack that it was made from."
        )
    if frames_in(folder):
        return [folder]
    entries = visible_entries(folder)
    stacks = _published_in([folder]) or [entry for entry in entries if is_stack(entry)]
    folders = [entry for entry in entries if entry.is_dir()]
    stacks = stacks or _published_in(folders) or _stacks_below(folders)
    if not stacks:
        others = {entry.suffix.lower() for entry in entries if entry.is_file()} - {""}
        found = f"only {', '.join(sorted(others))}" if others else "none"
        raise StackError(f"{folder}: expected stacks, found {found} in it. Pass {ACCEPTED}.")
    return stacks


def _stacks_below(folders: Sequence[Path]) -> list[Path]:
    """Return the stacks in folders of folders, as challenges have them, however deep; results of a
    former run, and what lies beside them, are none."""
    found = []
    for folder in folders:
        entries = visible_entries(folder)
        if is_result(folder) or any(is_result(entry) for entry in entries):
            continue
        found += [entry for entry in entries if is_stack(entry)]
        found += _stacks_below([one for one in entries if one.is_dir() and not is_stack(one)])
    return found


def _published_in(folders: Sequence[Path]) -> list[Path]:
    """Return the folders with the frames of published sequences, without those of truths."""
    found = [one for place in folders for one in sequences_in(place)]
    return list(dict.fromkeys(one.frames[0].parent for one in found))


def _stacks_of_glob(pattern: str) -> list[Path]:
    matches = sorted(map(Path, glob.glob(pattern, recursive=True)), key=natural_key)
    stacks = [match for match in matches if is_stack(match)]
    if stacks:
        return stacks
    single = (*RAW_SUFFIXES, *IMAGE_SUFFIXES, *FITS_SUFFIXES)
    frames = [m for m in matches if suffix_of(m) in single]
    advice = f"Pass their folder {frames[0].parent}." if frames else f"Pass {ACCEPTED}."
    what = "single frames only" if frames else "only other files" if matches else "nothing"
    raise StackError(f"{pattern}: expected stacks, found {what}. {advice}")
