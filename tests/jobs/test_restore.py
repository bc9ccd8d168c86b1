"""A full disk is noticed before the work."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from toys import write_pipeline, write_stack

from burst.command import Exit
from burst.files.write import WriteError
from burst.jobs.batch import attempt
from burst.jobs.restore import Job, check_disk
from burst.records import Sensor, Stack

pytestmark = pytest.mark.usefixtures("toy_stages")
STACK = Stack(np.zeros((10, 100, 100), np.uint16), Sensor())


@pytest.fixture
def room(monkeypatch):
    """Return a function that sets how many bytes the disk has left."""
    return lambda free: monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=free)
    )


def test_stages_need_room_that_images_do_not(room, tmp_path):
    room(5_000_000)
    check_disk(tmp_path / "not/yet/there", STACK, 0, keep_stages=False)
    with pytest.raises(WriteError, match=r"found 5 MB\. Leave out --keep-stages, make room, or"):
        check_disk(tmp_path, STACK, 0, keep_stages=True)


def test_images_of_many_instants_count(room, tmp_path):
    room(5_000_000)
    with pytest.raises(WriteError, match=r"expected 1004 MB of free space .* Make room, or choose"):
        check_disk(tmp_path, STACK, 10**9, keep_stages=False)


def test_nothing_is_computed_for_a_full_disk(room, tmp_path):
    room(1000)
    job = Job(write_stack(tmp_path / "a.npy"), tmp_path / "a", str(write_pipeline(tmp_path)))
    stages = []
    outcome = attempt(job, lambda _stack, stage, _seconds: stages.append(stage))
    assert outcome.exit is Exit.BAD_INPUT
    assert "expected 4 MB of free space for the results, found 0 MB" in outcome.message
    assert not stages
    assert not (tmp_path / "a").exists()


def test_a_disk_that_does_not_tell_is_not_asked(monkeypatch, tmp_path):
    def refuse(_):
        raise OSError("not told")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    check_disk(tmp_path, STACK, 10**15, keep_stages=True)
