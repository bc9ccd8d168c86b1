"""Recordings to learn from in place of simulated ones: which there are, and one by a draw."""

from __future__ import annotations

from pathlib import Path

import torch

from burst.data.samples.draws import one_of
from burst.data.samples.turbulence import HOLD_OUT_EVERY, SampleKey
from burst.files.layouts.find import list_sequences
from burst.files.sequence import Sequence
from burst.ops.shutter import check_shutter
from burst.records import Shutter, StackError


def list_recorded(folders: list[str], kind: str, truth: bool) -> list[list[str]]:
    """Return what one can learn from in each folder as "folder|sequence|number": the number of a
    truth or else the first frame of a pair. StackError where there is none."""
    return [_list(folder, kind, truth) for folder in folders]


def draw_recorded(
    key: SampleKey, truth: bool, folders: list[list[str]], generator: torch.Generator
) -> Sequence:
    """Return one pair, or one truth and the frames near it. The last tenth of every folder is held
    out: neighbours in time, which show the same, stay on one side."""
    items = one_of(folders, generator)
    first = len(items) - len(items) // HOLD_OUT_EVERY
    chosen = items[first:] if key.held_out else items[:first]
    folder, name, number = one_of(chosen or items, generator).split("|")
    whole = {one.name: one for one in list_sequences(Path(folder))}[name].read()
    return whole.near(int(number)) if truth else whole.cut(int(number), int(number) + 2)


def _list(folder: str, kind: str, truth: bool) -> list[str]:
    found = []
    for listed in list_sequences(Path(folder)):
        sequence = listed.read()
        if sequence.sensor.shutter is not Shutter(kind):
            continue
        check_shutter(sequence.luminance(), kind)
        if not sequence.readout_ratio:
            raise StackError(
                f"{sequence.source}: expected to be told how long its rows take to read, found"
                " nothing. Write row_time and frame_time (s) into a sidecar stack.toml beside it."
            )
        numbers = range(len(sequence.truths)) if truth else range(0, sequence.count, 2)
        found += [f"{folder}|{listed.name}|{number}" for number in numbers]
    if not found:
        words = kind.replace("_", " ")
        wanted = f"recordings of a {words} shutter with truths" if truth else f"{words} pairs"
        raise StackError(
            f"--pairs {folder}: expected {wanted}, found none. docs/shutter-data.md lists the"
            " layouts that are read, such as <name>_t2b.png and <name>_b2t.png of a pair."
        )
    return found
