"""The manifest is read as it was written, and nothing else passes for one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from burst.files.read import ReadOptions
from burst.submission.challenge import SubmissionError
from burst.submission.manifest import (
    FORMAT,
    Manifest,
    StackRecord,
    differences,
    read_manifest,
    this_machine,
)

MANIFEST = Manifest(
    format=FORMAT,
    name="try",
    version="0.1.0",
    code="c",
    seed=3,
    reading=ReadOptions(black_level=64.0, axis="frames-last"),
    machine=this_machine("cpu", 2),
    tolerance=8,
    models={"toy": "m"},
    stacks=(StackRecord("low/a", {"low/a.npy": "i"}, "a.npy", "o", "toy", "fuse"),),
    files={"run.sh": "r"},
)


def test_manifest_is_read_as_it_was_written(tmp_path):
    (tmp_path / "m.json").write_text(MANIFEST.to_json())
    assert read_manifest(tmp_path / "m.json") == MANIFEST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected it in the package"),
        ("{", "expected JSON"),
        ("[]", f"expected format {FORMAT}"),
        ('{"format": "other"}', f"expected format {FORMAT}"),
        (json.dumps({**json.loads(MANIFEST.to_json()), "seed": "x"}), "m.json seed:"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "m.json").write_text(text)
    with pytest.raises(SubmissionError) as caught:
        read_manifest(tmp_path / "m.json")
    assert message in str(caught.value)


def test_machines_differ_in_what_changes_sums():
    machine = MANIFEST.machine
    assert differences(machine, machine) == []
    other = replace(machine, threads=4, libraries={**machine.libraries, "torch": "2.6.0"})
    threads, torch = differences(machine, other)
    assert threads == "threads 2 and 4"
    assert torch.endswith("and 2.6.0")
