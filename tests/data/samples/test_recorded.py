"""Samples of recordings with truths: windows of them, with parts held out."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from rolled import recording

from burst.data.samples.collection import keys_of, open_collection
from burst.data.samples.draws import generator_of
from burst.data.samples.recorded import draw_recorded, list_recorded
from burst.data.samples.rolling import ShutterSampleSettings, make_shutter_sample
from burst.data.samples.turbulence import SampleKey
from burst.files.layouts.simulated import write_sequence
from burst.ops.metrics import psnr
from burst.records import StackError

MAKING = ShutterSampleSettings(kind="rolling", size=96, recorded=True)
KEY = SampleKey("recorded", 0)


@pytest.fixture
def pan(tmp_path):
    """Return a folder with three frames of a pan and nine truths of each."""
    write_sequence(tmp_path / "pan", recording(frames=3))
    return str(tmp_path / "pan")


def carla(folder, mask, frames=3):
    """Write frames of a pan, truths at the middle row, and a mask, as Carla-RS stores them."""
    made = recording(frames=frames, ratio=1.0)
    folder.mkdir()
    for n in range(frames):
        cv2.imwrite(str(folder / f"{n:04d}_rs.png"), np.stack([made.frames[n]] * 3, -1))
        cv2.imwrite(str(folder / f"{n:04d}_gs_m.png"), np.stack([made.truths[9 * n + 4]] * 3, -1))
        cv2.imwrite(str(folder / f"{n:04d}_mask.png"), mask)
    return str(folder)


def test_samples_are_windows_of_recordings_with_their_truth(pan, tmp_path):
    made = open_collection(tmp_path / "samples", MAKING, [pan])
    keys = keys_of(("recorded",), 2, 1)
    assert list(made.fill(keys)) == keys
    sample = made.load(keys[1])
    assert sample.base.shape == sample.truth.shape == sample.planes.shape[1:] == (96, 96)
    inside = (slice(12, -12), slice(12, -12))
    assert psnr(sample.base[inside], sample.truth[inside]) > 30


def test_the_last_tenth_of_the_truths_is_held_out(pan):
    listed = list_recorded([pan], "rolling", truth=True)
    assert len(listed[0]) == 27
    drawn = {
        held_out: {
            float(one.truth_frame[0]) + float(one.truth_share[0])
            for k in range(40)
            for one in [draw_recorded(key, True, listed, generator_of(0, k))]
        }
        for held_out in (False, True)
        for key in [replace(KEY, held_out=held_out)]
    }
    assert min(drawn[True]) > max(drawn[False])
    assert drawn[True] <= {2.875, 3.0}


def test_every_folder_is_drawn_from(pan, tmp_path):
    write_sequence(tmp_path / "other" / "tilt", recording(frames=2))
    listed = list_recorded([pan, str(tmp_path / "other")], "rolling", truth=True)
    found = {len(draw_recorded(KEY, True, listed, generator_of(k)).frames) for k in range(8)}
    assert found == {2, 3}


def test_nothing_is_learnt_where_a_mask_says_that_the_truth_is_unknown(tmp_path):
    mask = np.zeros((128, 160), np.uint8)
    mask[:, :80] = 255
    listed = list_recorded([carla(tmp_path / "town", mask)], "rolling", truth=True)
    sample = make_shutter_sample(KEY, replace(MAKING, size=160), listed)
    assert torch.equal(sample.truth[:, 80:], sample.base[:, 80:])
    assert not torch.equal(sample.truth[:, :80], sample.base[:, :80])


def test_who_does_not_say_the_readout_is_told_where_to_write_it(tmp_path):
    for n, frame in enumerate(recording(frames=2).frames):
        cv2.imwrite(str(tmp_path / f"rs_{n}.png"), frame)
    cv2.imwrite(str(tmp_path / "gs_1_m.png"), recording(frames=2).truths[13])
    with pytest.raises(StackError, match=r"row_time and frame_time \(s\) into a sidecar"):
        list_recorded([str(tmp_path)], "rolling", truth=True)
    (tmp_path / "stack.toml").write_text("row_time = 2.5e-4\nframe_time = 0.04\n")
    assert len(list_recorded([str(tmp_path)], "rolling", truth=True)[0]) == 1


def test_recordings_without_truths_are_not_enough(pair_folder):
    with pytest.raises(StackError, match="recordings of a rolling shutter with truths, found none"):
        list_recorded([str(pair_folder)], "rolling", truth=True)
