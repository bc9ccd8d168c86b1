"""The suite of worlds: what it reads, what it holds against the merged image, and its tables."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from simulated import still_scene, still_stack

from burst.measure.suite import Options
from burst.measure.suites.worlds import (
    MERGED,
    SUITE,
    TOLD,
    World,
    harm,
    measure,
    read_truth,
    width_error,
    worlds_in,
)
from burst.measure.tables import CLASSICAL, OURS
from burst.pipeline import load
from burst.records import StackError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with one stack of a still camera, and its truth."""
    where = tmp_path_factory.mktemp("worlds")
    stack, scene = still_stack(), still_scene()
    np.save(where / "still.camera.npy", stack.frames)
    psf = np.zeros((5, 5), np.float32)
    psf[2, 2] = 1
    np.savez(where / "still.camera.truth.npz", scene=scene.numpy(), psf=psf)
    return where


@pytest.fixture(scope="module")
def record(folder):
    """Return what is measured of that stack."""
    (case,) = worlds_in([str(folder)])
    return {"case": vars(case), **measure(load("turbulence"), case)}


def test_stacks_are_found_by_their_truths(folder):
    (case,) = worlds_in([str(folder)])
    assert (case.name, case.world) == ("still.camera", "still")


def test_a_folder_without_truths_is_told(tmp_path):
    with pytest.raises(StackError, match=r"expected stacks with truths, .* found none"):
        worlds_in([str(tmp_path)])


def test_every_method_is_scored(record):
    assert list(record["methods"])[:3] == [MERGED, CLASSICAL, OURS]
    assert TOLD in record["methods"]


def test_a_still_camera_comes_out_no_worse_than_merged(record):
    assert harm(record, OURS) < 0.05
    assert harm(record, CLASSICAL) < 0.05
    assert SUITE.finish(Options(), [record]) == []
    assert record["source"] == "none"
    assert width_error(record) == pytest.approx(0, abs=0.15)


def test_harm_is_told(record):
    worse = {**record, "methods": {**record["methods"], OURS: {"psnr": 0.0}}}
    (doubt,) = SUITE.finish(Options(), [worse])
    assert re.fullmatch(r"still\.camera is [34]\d\.\d\d dB worse than its merged image", doubt)


def test_the_tables_name_world_and_harm(record):
    text = SUITE.tables([record])
    assert "| still | 1 |" in text
    assert f"| {OURS} | 1 | 0 |" in text


def test_a_coarser_scene_is_enlarged(tmp_path):
    np.savez(tmp_path / "up.a.truth.npz", scene=np.ones((20, 30), np.float32), psf=np.ones((3, 3)))
    scene, psf = read_truth(World(str(tmp_path), "up.a"), torch.ones(40, 60))
    assert scene.shape == (40, 60)
    assert psf is None
