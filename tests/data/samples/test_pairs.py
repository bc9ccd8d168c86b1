"""Samples of pairs: the pair itself and what geometry makes of it, and no truth anywhere."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from rolled import recording

from burst.data.samples.collection import keys_of, open_collection
from burst.data.samples.pairs import (
    PairSample,
    make_pair_sample,
    sample_of_pair,
    with_more_noise,
)
from burst.data.samples.recorded import list_recorded
from burst.data.samples.rolling import ShutterSampleSettings
from burst.data.samples.turbulence import SampleKey, load_sample, save_sample
from burst.data.scenes import SCENES
from burst.network.preparation import SHUTTER_EVIDENCE
from burst.records import Sensor, Shutter, Stack, StackError

MAKING = ShutterSampleSettings(
    kind="dual_reversed", size=64, frames=(1, 1), truth=False, pipeline="dual_reversed",
    speed=(2.0, 6.0),
)  # fmt: skip
KEY = SampleKey("low", 0)


def test_a_sample_has_three_instants_and_the_pair_that_was_read(tmp_path):
    sample = make_pair_sample(KEY, MAKING, [list(SCENES)])
    assert sample.planes.shape == (3, len(SHUTTER_EVIDENCE), 64, 64)
    assert sample.base.shape == (3, 64, 64)
    assert sample.velocity.shape == (3, 2, 64, 64)
    assert sample.frames.shape == sample.times.shape == (2, 64, 64)
    assert not hasattr(sample, "truth")
    save_sample(tmp_path / "a.safetensors", sample)
    found = load_sample(tmp_path / "a.safetensors", PairSample)
    assert found.key == KEY
    assert torch.equal(found.frames, sample.frames)


def test_rows_are_read_in_opposite_order():
    stack = recording(Shutter.DUAL_REVERSED).luminance()
    sample = sample_of_pair(KEY, "dual_reversed", stack, stack, 0.4)
    assert sample.times[0, 0, 0] == sample.times[1, -1, 0] == 0
    assert sample.times[0, -1, 0] == sample.times[1, 0, 0] == 1
    assert sample.instants.tolist() == pytest.approx([0, 0.4, 1])
    across = float(sample.velocity[1, 0, 30:-30, 40:-40].median())
    assert across == pytest.approx(200 * 0.8 * 0.04, rel=0.1)


def test_what_is_seen_tells_nothing_of_the_noise_of_what_is_wanted():
    clean = np.tile(np.linspace(400, 3000, 128, dtype=np.float32), (2, 128, 1))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 40, clean.shape)
    frames = (clean + noise).round().astype(np.uint16)
    stack = Stack(frames, Sensor(shutter=Shutter.DUAL_REVERSED), scan=np.array([1, -1], np.int8))
    noisier = with_more_noise(stack, torch.Generator().manual_seed(0))
    assert noisier.frames.dtype == np.uint16
    seen = noisier.frames - clean
    wanted = 2.0 * frames - noisier.frames - clean
    assert seen.std() == pytest.approx(40 * 2**0.5, rel=0.05)
    assert abs(np.corrcoef(seen.ravel(), wanted.ravel())[0, 1]) < 0.05
    assert np.corrcoef(seen.ravel(), noise.ravel())[0, 1] > 0.6


def test_recorded_pairs_are_enough(pair_folder, tmp_path):
    made = open_collection(tmp_path / "s", replace(MAKING, recorded=True), [str(pair_folder)])
    assert made.scenes == [[f"{pair_folder}|pairs|0", f"{pair_folder}|pairs|2"]]
    keys = keys_of(("recorded",), 2, 1)
    assert list(made.fill(keys)) == keys
    sample = made.load(keys[1])
    assert sample.frames.shape == (2, 64, 64)
    # A window of a pair keeps the times of its rows.
    assert float(sample.times[0, 0, 0]) + float(1 - sample.times[0, -1, 0]) > 0
    steps = sample.times[0, :, 0].diff()
    np.testing.assert_allclose(steps, 1 / 127, rtol=1e-3)


def test_a_folder_without_pairs_is_told(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 32), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((32, 32), np.uint8))
    with pytest.raises(StackError, match="expected dual reversed pairs, found none"):
        list_recorded([str(tmp_path)], "dual_reversed", truth=False)


def test_who_needs_the_truth_is_told():
    with pytest.raises(ValueError, match="expected true for rolling"):
        ShutterSampleSettings(kind="rolling", truth=False)
