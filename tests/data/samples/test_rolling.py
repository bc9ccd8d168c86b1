"""Samples of shutters: decided by their key, the same stages as inference, the truth untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rolled import recording

from burst.data.samples.collection import open_collection
from burst.data.samples.draws import generator_of
from burst.data.samples.rolling import (
    ShutterSampleSettings,
    display_encoded,
    make_shutter_sample,
    record,
    sample_of_instant,
)
from burst.data.samples.turbulence import (
    Sample,
    SampleKey,
    load_sample,
    save_sample,
    stages_before_network,
)
from burst.data.scenes import SCENES
from burst.network.inputs_rolling import prepare_shutter
from burst.network.preparation import SHUTTER_EVIDENCE, SHUTTER_SCALARS, Preparation
from burst.ops.color import linear_to_display
from burst.ops.metrics import psnr
from burst.records import Burst

SMALL = ShutterSampleSettings(kind="rolling", size=64, frames=(2, 3), speed=(2.0, 6.0))
KEY = SampleKey("medium", 1)
INSIDE = (slice(8, -8), slice(8, -8))


def make(key: SampleKey = KEY, settings: ShutterSampleSettings = SMALL):
    return make_shutter_sample(key, settings, [list(SCENES)])


def test_a_sample_has_all_planes_and_scalars_and_a_file_holds_it(tmp_path):
    sample = make()
    assert sample.planes.shape == (len(SHUTTER_EVIDENCE), 64, 64)
    assert sample.scalars.shape == (len(SHUTTER_SCALARS),)
    assert sample.base.shape == sample.truth.shape == (64, 64)
    assert all(part.isfinite().all() for part in (sample.planes, sample.scalars, sample.truth))
    save_sample(tmp_path / "a.safetensors", sample)
    assert torch.equal(load_sample(tmp_path / "a.safetensors", Sample).planes, sample.planes)


def test_the_key_decides_the_sample():
    assert torch.equal(make().planes, make().planes)
    for other in (replace(KEY, index=4), replace(KEY, held_out=True)):
        assert not torch.equal(make().truth, make(other).truth)


def test_sharp_samples_are_exposed_for_no_time():
    settings = replace(SMALL, exposure=(0.2, 0.5))
    for sharp, exposed in ((0.0, True), (1.0, False)):
        found = record(
            KEY, replace(settings, sharp=sharp), [list(SCENES)], torch.Generator().manual_seed(3)
        )
        assert (found.sensor.exposure_time > 0) == exposed


def test_compressed_frames_have_the_truth_that_they_had():
    video = replace(SMALL, video=1.0)
    plain, packed = (
        record(KEY, replace(video, compressed=share), [list(SCENES)], generator_of(0, "video"))
        for share in (0.0, 1.0)
    )
    assert np.array_equal(plain.truths, packed.truths)
    apart = np.abs(plain.frames.astype(float) - packed.frames).mean()
    assert packed.frames.dtype == np.uint8
    assert 0.2 < apart < 12


def test_objects_at_other_depths_change_the_recording_alone_where_asked_for():
    plain, deep = (
        record(KEY, replace(SMALL, depth=share), [list(SCENES)], generator_of(0, "depth"))
        for share in (0.0, 1.0)
    )
    assert plain.frames.shape == deep.frames.shape
    assert np.abs(plain.truths.astype(float) - deep.truths).mean() > 20


def test_a_fast_camera_has_a_wider_frame():
    fast = replace(SMALL, speed=(20.0, 20.0))
    wide = record(KEY, fast, [list(SCENES)], generator_of(0, "fast"))
    assert wide.frames.shape[1:] == (112, 112)
    # The readout takes as long, of more rows.
    small = record(KEY, SMALL, [list(SCENES)], generator_of(0, "fast"))
    assert wide.sensor.readout_ratio(112) == pytest.approx(small.sensor.readout_ratio(64))


def test_there_is_nothing_to_learn_where_no_frame_shows_the_scene():
    sample = make(settings=replace(SMALL, speed=(8.0, 8.0), frames=(2, 2)))
    trust = sample.planes[[SHUTTER_EVIDENCE.index(f"{k}_trust") for k in ("first", "second")]]
    unseen = trust.amax(0) == 0
    assert unseen.any()
    assert torch.equal(sample.truth[unseen], sample.base[unseen])


def test_planes_are_those_of_inference_and_the_truth_is_where_it_was():
    sequence = recording()
    stages = stages_before_network("rolling", ["unroll.frame=1", "unroll.instants=[0.5]"])
    burst = stages.run(Burst(sequence.luminance()))
    sample = sample_of_instant(KEY, "rolling", burst, sequence.truths[9 + 4])
    whole = Preparation(SHUTTER_EVIDENCE, SHUTTER_SCALARS, "rolling")
    assert torch.equal(sample.planes, next(prepare_shutter(burst, whole)).planes)
    right = psnr(sample.base[INSIDE], sample.truth[INSIDE])
    moved = psnr(sample.base[INSIDE], torch.roll(sample.truth, 1, 1)[INSIDE])
    assert right > 24
    assert right > moved + 3


@pytest.mark.parametrize("video", [0.0, 1.0])
def test_however_it_is_stored_the_network_sees_the_same_scene(video):
    settings = replace(SMALL, video=video, clean=1.0, exposure=(0.0, 0.0))
    sample = make(settings=settings)
    assert psnr(sample.base[INSIDE], sample.truth[INSIDE]) > 18
    assert 0.6 < float(sample.base.quantile(0.995)) < 1.2


def test_a_video_is_the_same_light_encoded_for_a_display():
    sequence = recording()
    linear = replace(sequence, sensor=replace(sequence.sensor, transfer="linear"))
    video = display_encoded(linear)
    wanted = linear_to_display(torch.from_numpy(linear.frames[0] / 255)) * 255
    assert video.frames.dtype == np.uint8
    np.testing.assert_allclose(video.frames[0], wanted, atol=0.51)
    assert video.sensor.transfer == "srgb"


def test_collections_of_other_kinds_have_other_folders(tmp_path):
    names = {
        open_collection(tmp_path, settings, []).folder.name
        for settings in (SMALL, replace(SMALL, seed=1), replace(SMALL, kind="dual_reversed"))
    }
    assert len(names) == 3
