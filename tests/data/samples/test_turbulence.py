"""Samples: decided by their key, the same stages as inference, the truth where the result lies."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from simulated import after, stack_of, truth_of

from burst.data.samples.turbulence import (
    Sample,
    SampleKey,
    StackSampleSettings,
    load_sample,
    make_sample,
    sample_of,
    save_sample,
    stages_before_network,
)
from burst.data.scenes import SCENES
from burst.files.read import read_stack
from burst.network.inputs import encode, prepare
from burst.network.preparation import EVIDENCE, SCALARS, Preparation
from burst.ops.metrics import psnr
from burst.ops.warp import warp
from burst.pipeline import load
from burst.records import Burst
from burst.simulate import _write as write_stack

SMALL = StackSampleSettings(size=64, frames=(4, 6), pipeline="classical")
KEY = SampleKey("medium", 3)
INSIDE = (slice(8, -8), slice(8, -8))


@pytest.fixture(scope="module")
def sample():
    return make_sample(KEY, SMALL, [list(SCENES)])


def test_sample_has_all_planes_and_scalars(sample):
    assert sample.planes.shape == (len(EVIDENCE), 64, 64)
    assert sample.scalars.shape == (len(SCALARS),)
    assert sample.base.shape == sample.truth.shape == (64, 64)
    assert all(part.isfinite().all() for part in (sample.planes, sample.scalars, sample.truth))


def test_key_decides_the_sample(sample):
    again = make_sample(KEY, SMALL, [list(SCENES)])
    assert torch.equal(sample.planes, again.planes)
    assert torch.equal(sample.truth, again.truth)
    assert sample.level == again.level
    for other in (replace(KEY, index=4), replace(KEY, held_out=True)):
        assert not torch.equal(sample.truth, make_sample(other, SMALL, [list(SCENES)]).truth)


def test_a_share_of_the_scenes_is_drawn():
    kinds = {
        "rectangles": replace(SMALL, targets=0.0, rectangles=1.0),
        "targets": replace(SMALL, targets=1.0),
        "images": replace(SMALL, targets=0.0),
        "plain": replace(SMALL, targets=0.0, plain=1.0),
    }
    truths = {
        name: make_sample(KEY, settings, [["page"]]).truth for name, settings in kinds.items()
    }
    assert len({float(truth.mean()) for truth in truths.values()}) == 4
    rough = {name: float(truth.diff().abs().median()) for name, truth in truths.items()}
    assert rough["rectangles"] < 0.2 * rough["images"]
    assert rough["plain"] < 1e-5 < rough["images"]


def test_file_holds_the_sample(sample, tmp_path):
    path = tmp_path / "a.safetensors"
    save_sample(path, sample)
    found = load_sample(path, Sample)
    assert (found.key, found.level) == (sample.key, sample.level)
    for name in ("planes", "scalars", "base", "truth"):
        assert torch.equal(getattr(found, name), getattr(sample, name))
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_planes_are_those_of_inference():
    burst = after("deconvolve")
    evidence = prepare(burst, Preparation())
    made = sample_of(KEY, burst, truth_of().scene)
    assert torch.equal(made.planes, evidence.planes)
    assert torch.equal(made.base, evidence.base)
    assert made.level == burst.level


def test_truth_lies_where_the_result_lies():
    burst, scene = after("deconvolve"), truth_of().scene
    straight = sample_of(KEY, burst, scene)
    y, x = torch.meshgrid(torch.arange(192.0), torch.arange(192.0), indexing="ij")
    bend = torch.stack([2 + 0.8 * torch.sin(y / 40), -1 + 0.8 * torch.cos(x / 40)])
    bent = sample_of(KEY, burst, warp(scene[None], bend[None])[0])
    inside = (slice(16, -16), slice(16, -16))
    wanted = straight.truth[inside]
    # Resampling twice costs a little sharpness; the bend itself would cost ten times as much.
    assert psnr(bent.truth[inside], wanted) > 30
    scale = prepare(burst, Preparation()).scale
    assert psnr(encode(warp(scene[None], bend[None])[0], scale)[inside], wanted) < 24


def test_truth_is_as_sharp_as_the_scene():
    burst, scene = after("deconvolve"), truth_of().scene
    made = sample_of(KEY, burst, scene).truth[INSIDE]
    plain = encode(scene, prepare(burst, Preparation()).scale)[INSIDE]
    rough = [float((x[2:] - 2 * x[1:-1] + x[:-2]).square().mean()) for x in (made, plain)]
    assert rough[0] > 0.9 * rough[1]


def test_truth_is_closer_than_the_scene_as_it_was():
    burst, scene = after("deconvolve"), truth_of().scene
    made = sample_of(KEY, burst, scene)
    plain = encode(scene, prepare(burst, Preparation()).scale)
    assert psnr(made.base[INSIDE], made.truth[INSIDE]) >= psnr(made.base[INSIDE], plain[INSIDE])


def test_stages_are_all_those_before_the_network():
    names = [step.name for step in stages_before_network("classical").steps]
    assert names == [step.name for step in load("classical").steps]
    assert "fuse" not in [step.name for step in stages_before_network("turbulence").steps]


def test_stack_that_was_written_and_read_gives_the_same_sample(tmp_path):
    simulated = stack_of("medium", 64, 6)
    out = tmp_path / "a.npy"
    write_stack(out, simulated.stack, simulated.truth)
    pipeline = stages_before_network("classical")
    made = sample_of(KEY, pipeline.run(Burst(simulated.stack)), simulated.truth.scene)
    read = prepare(pipeline.run(Burst(read_stack(out))), Preparation())
    assert torch.equal(made.planes, read.planes)
    assert torch.equal(made.scalars, read.scalars)
