"""A recording tells its flow over several frames, its offsets and how its camera speeds up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rolled import known_of, recording
from simulated import rms

from burst.ops.rolling.recording import camera_offset, measure_growth, with_shake
from burst.records import Shutter


def test_flow_over_two_frames_goes_through_the_one_between():
    known = known_of(recording(frames=3, speed=100.0))
    flow, trust = known.flow(0, 2)
    step, _ = known.flow(0, 1)
    inside = (..., slice(20, -20), slice(30, -30))
    assert rms((flow - 2 * step)[inside]) < 0.5
    assert float(trust[inside[1:]].mean()) > 0.8


def test_an_even_pan_does_not_grow():
    assert abs(measure_growth(known_of(recording(speed=200.0)))) < 0.02


def test_a_pan_that_speeds_up_grows():
    # 12 px in 0.3 s: from frame 0 to 1 the swing slows, between its first and its second quarter.
    known = known_of(recording(speed=300.0, swing=12.0))
    assert measure_growth(known) < -0.1


@pytest.mark.parametrize("rise", [0.2, 0.4])
def test_growth_that_cannot_be_is_none(rise):
    known = known_of(recording(speed=300.0))
    height = known.frames.shape[1]
    across = 5 + rise * torch.arange(height, dtype=torch.float32)
    uneven = torch.stack([across, torch.zeros(height)])[..., None]
    found = known.matches[0, 1]
    sheared = replace(
        found,
        forth=uneven.expand_as(found.forth),
        back=-uneven.expand_as(found.back),
        forth_trust=torch.ones_like(found.forth_trust),
        back_trust=torch.ones_like(found.back_trust),
    )
    assert measure_growth(replace(known, matches={(0, 1): sheared})) == 0


def test_a_pair_without_offset_has_none():
    assert rms(camera_offset(known_of(recording(Shutter.DUAL_REVERSED)), 0)) < 0.3


def test_an_offset_is_told_from_motion():
    sequence = recording(Shutter.DUAL_REVERSED)
    frames = sequence.frames.copy()
    frames[1] = np.roll(frames[1], (4, 2), (0, 1))
    found = camera_offset(known_of(replace(sequence, frames=frames)), 0)
    assert found.tolist() == pytest.approx([2, 4], abs=0.3)


def test_a_path_is_known_about_the_frames_nearest_to_instants():
    known = with_shake(known_of(recording(frames=4, shake=0.8), order=3), [0.4, 2.1])
    assert set(known.shakes) == {0, 2}
    assert known.shake_near(2.3) is known.shakes[2]
    assert known.shake_near(3.4) is None
    assert known.order == 2


def test_a_pair_has_no_path():
    known = with_shake(known_of(recording()), [0.5])
    assert known.shakes == {}
    assert known.order == 1
