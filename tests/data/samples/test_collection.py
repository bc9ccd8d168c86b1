"""A collection is filled by many, named by what made it, and never holds half a sample."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from burst.data.samples import collection as module
from burst.data.samples.collection import keys_of, open_collection
from burst.data.samples.turbulence import Sample, SampleKey, StackSampleSettings, split_scenes
from burst.files.digest import code_digest, essence, source_files
from burst.records import Level

SMALL = StackSampleSettings(size=64, frames=(4, 6), pipeline="classical")
KEYS = keys_of(("low",), 3, 1)


@pytest.fixture
def cheap(monkeypatch):
    """Have samples cost nothing; returns the names of those that were made."""
    made = []

    def make(key, *_):
        made.append(key.name)
        images = (torch.zeros(4, 4), torch.zeros(4, 4))
        return Sample(key, torch.zeros(2, 4, 4), torch.zeros(1), *images, Level(0.01, 1.0))

    monkeypatch.setattr(module, "make_sample", make)
    return made


def test_levels_advance_together_and_checks_come_early():
    names = [key.name for key in keys_of(("low", "high"), 2, 1)]
    assert names == [
        "low-held-out-00000", "low-train-00000", "high-held-out-00000", "high-train-00000",
        "low-train-00001", "high-train-00001",
    ]  # fmt: skip


def test_what_is_there_is_not_made_again(cheap, tmp_path):
    collection = open_collection(tmp_path, SMALL, [])
    assert list(collection.fill(KEYS[:2])) == KEYS[:2]
    assert list(collection.fill(KEYS)) == KEYS[2:]
    assert collection.present(KEYS) == KEYS
    assert len(cheap) == len(KEYS)


def test_claimed_sample_is_left_to_its_maker(cheap, tmp_path):
    collection = open_collection(tmp_path, SMALL, [])
    with module._claim(collection.path(KEYS[0])) as ours:
        assert ours
        assert list(collection.fill(KEYS)) == KEYS[1:]
    assert list(collection.fill(KEYS)) == KEYS[:1]


def test_claim_of_a_dead_process_is_void(cheap, tmp_path):
    collection = open_collection(tmp_path, SMALL, [])
    dead = multiprocessing.get_context("spawn").Process(
        target=_die_with_claim, args=(collection.path(KEYS[0]),)
    )
    dead.start()
    dead.join()
    assert dead.exitcode == 9
    assert list(tmp_path.rglob("*.lock"))
    assert list(collection.fill(KEYS[:1])) == KEYS[:1]


def _die_with_claim(path: Path) -> None:
    claim = module._claim(path)
    claim.__enter__()
    os._exit(9)


def test_failure_leaves_no_file(monkeypatch, tmp_path):
    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(module, "make_sample", fail)
    collection = open_collection(tmp_path, SMALL, [])
    with pytest.raises(RuntimeError):
        list(collection.fill(KEYS))
    assert [path.name for path in collection.folder.iterdir()] == ["made-by.json"]


def test_folder_s_name_follows_from_settings_and_scenes(tmp_path):
    for name, grey in (("a", 10), ("b", 200)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "x.png"), np.full((8, 8), grey, np.uint8))
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/x.png").write_bytes((tmp_path / "a/x.png").read_bytes())

    def name(settings=SMALL, folder="a"):
        return open_collection(tmp_path / "s", settings, [str(tmp_path / folder)]).folder.name

    assert name() == name() == name(folder="copy")
    assert (
        len(
            {
                name(),
                name(folder="b"),
                name(StackSampleSettings(size=65)),
                name(StackSampleSettings(seed=1)),
            }
        )
        == 4
    )


def test_code_counts_and_comments_do_not(tmp_path):
    def digest(text):
        (tmp_path / "a.py").write_text(text)
        return code_digest(tmp_path, source_files(tmp_path, ["a.py"]), essence)

    plain = digest('"""One."""\n\n\ndef f():\n    """Two."""\n    return 1\n')
    assert plain == digest('"""Another."""\n\ndef f():\n    # why\n    return 1\n')
    assert plain != digest("def f():\n    return 2\n")


def test_held_out_scenes_are_never_learnt_from():
    folder = [str(i) for i in range(25)]
    learnt, held_out = split_scenes(folder, False), split_scenes(folder, True)
    assert sorted(learnt + held_out, key=int) == folder
    assert len(held_out) == 2
    assert split_scenes(["one"], True) == ["one"]


def test_name_of_a_key():
    assert SampleKey("very-high", 12, held_out=True).name == "very-high-held-out-00012"
