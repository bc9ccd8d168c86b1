"""Samples of photographs by hand: decided by their key, made by the stages, the truth in place."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burst.data.samples.handheld import HandheldSampleSettings, make_handheld_sample
from burst.data.samples.turbulence import Sample, SampleKey, load_sample, save_sample
from burst.data.scenes import SCENES
from burst.network.preparation import HANDHELD_EVIDENCE

SMALL = HandheldSampleSettings(size=64, frames=(3, 5), finer=0.0, walkers=0.0)
KEY = SampleKey("high", 1)
COLOURED = ["astronaut", "coffee"]


def make(key=KEY, scenes=COLOURED, **changes):
    return make_handheld_sample(key, replace(SMALL, **changes), [list(scenes)])


def rms(difference):
    return float(difference[:, 8:-8, 8:-8].square().mean().sqrt())


def test_a_sample_has_all_planes_and_a_file_holds_it(tmp_path):
    sample = make()
    assert sample.planes.shape == (len(HANDHELD_EVIDENCE), 64, 64)
    assert sample.base.shape == sample.truth.shape == (3, 64, 64)
    assert sample.scalars.shape == (0,)
    save_sample(tmp_path / "a.safetensors", sample)
    assert torch.equal(load_sample(tmp_path / "a.safetensors", Sample).truth, sample.truth)


def test_the_key_decides_the_sample():
    assert torch.equal(make().planes, make().planes)
    for other in (replace(KEY, index=4), replace(KEY, held_out=True)):
        assert not torch.equal(make().truth, make(other).truth)


@pytest.mark.parametrize("changes", [{}, {"walkers": 1.0, "finer": 0.99}])
def test_the_base_is_nearer_to_the_truth_than_the_merged_image(changes):
    sample = make(**changes)
    assert sample.base.shape == (3, 64, 64)
    assert rms(sample.base - sample.truth) < rms(sample.planes[:3] - sample.truth) < 0.2


def test_higher_levels_are_noisier():
    quiet, loud = (make(replace(KEY, noise_level=level)) for level in ("low", "very-high"))
    assert 2 * quiet.level.noise < loud.level.noise
    assert float(quiet.planes[7].mean()) < float(loud.planes[7].mean())


def test_grey_scenes_are_given_colours_where_asked_for():
    for share, coloured in ((0.0, False), (1.0, True)):
        truth = make(scenes=["camera"], tinted=share).truth
        assert (rms(truth - truth[1]) > 0.005) == coloured


def test_files_smaller_than_the_frames_are_enlarged():
    assert make(scenes=["text"], size=128).truth.shape == (3, 128, 128)


def test_all_scenes_of_the_library_make_samples():
    assert make(scenes=SCENES).base.isfinite().all()
