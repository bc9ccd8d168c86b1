"""A recording tells its offsets and accelerations, and images come from all of its frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rolled import recording
from simulated import rms

from burst.files.sequence import Sequence
from burst.ops.flow import match, to_bytes
from burst.ops.instants import Recording, growth, image_at, misalignment
from burst.ops.unroll import clock
from burst.records import Shutter


def of(sequence: Sequence, order: int = 1) -> Recording:
    """Return what is known of a sequence, in units of its frame time."""
    grey = to_bytes(torch.from_numpy(sequence.frames / 255))
    matches = {(k, k + 1): match(grey[k], grey[k + 1]) for k in range(len(grey) - 1)}
    times = clock(sequence.sensor, sequence.height, sequence.scan)
    paired = sequence.sensor.shutter is Shutter.DUAL_REVERSED
    return Recording(torch.from_numpy(grey).float(), matches, times, order, paired)


def test_flow_over_two_frames_goes_through_the_one_between():
    known = of(recording(frames=3, speed=100.0))
    flow, trust = known.flow(0, 2)
    step, _ = known.flow(0, 1)
    inside = (..., slice(20, -20), slice(30, -30))
    assert rms((flow - 2 * step)[inside]) < 0.5
    assert float(trust[inside[1:]].mean()) > 0.8


def test_an_even_pan_does_not_grow():
    assert abs(growth(of(recording(speed=200.0)))) < 0.02


def test_a_pan_that_speeds_up_grows():
    # 12 px in 0.3 s: from frame 0 to 1 the swing slows, between its first and its second quarter.
    known = of(recording(speed=300.0, swing=12.0))
    assert growth(known) < -0.1


@pytest.mark.parametrize("rise", [0.2, 0.4])
def test_growth_that_cannot_be_is_none(rise):
    known = of(recording(speed=300.0))
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
    assert growth(replace(known, matches={(0, 1): sheared})) == 0


def test_a_pair_without_offset_has_none():
    assert rms(misalignment(of(recording(Shutter.DUAL_REVERSED)), 0)) < 0.3


def test_an_offset_is_told_from_motion():
    sequence = recording(Shutter.DUAL_REVERSED)
    frames = sequence.frames.copy()
    frames[1] = np.roll(frames[1], (4, 2), (0, 1))
    found = misalignment(of(replace(sequence, frames=frames)), 0)
    assert found.tolist() == pytest.approx([2, 4], abs=0.3)


def test_every_plane_is_moved_alike():
    known = of(recording())
    plane = known.frames[:, None] / 255
    image = image_at(known, lambda k: torch.cat([plane[k], 1 - plane[k]]), 0.5).image
    torch.testing.assert_close(image[1], 1 - image[0], atol=1e-4, rtol=0)
