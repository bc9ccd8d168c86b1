"""Faults change what they name, and nothing else; the same seed gives the same fault."""

from __future__ import annotations

import numpy as np
import pytest

from burst.data.faults import FAULTS, FRAME_FAULTS, STACK_FAULTS, apply_fault
from burst.records import Sensor

DN = Sensor(black_level=256, white_level=4095)


def frames() -> np.ndarray:
    return np.random.default_rng(1).integers(300, 3000, (12, 32, 40)).astype(np.uint16)


@pytest.mark.parametrize("name", FAULTS)
def test_shape_and_kind_stay_and_the_input_is_not_touched(name):
    given = frames()
    spoilt = apply_fault(name, given, DN, seed=2).frames
    assert spoilt.shape == given.shape
    assert spoilt.dtype == np.uint16
    assert spoilt.max() <= 4095
    assert np.array_equal(given, frames())
    assert not np.array_equal(spoilt, given)


@pytest.mark.parametrize("name", FAULTS)
def test_the_same_seed_spoils_alike(name):
    first, second = (apply_fault(name, frames(), DN, seed=2) for _ in range(2))
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.bad, second.bad)


@pytest.mark.parametrize("name", FRAME_FAULTS)
def test_other_frames_stay_as_they_are(name):
    spoilt = apply_fault(name, frames(), DN, seed=2, share=0.25)
    good = np.setdiff1d(np.arange(12), spoilt.bad)
    assert len(spoilt.bad) == (1 if name == "brighter" else 3)
    assert np.array_equal(spoilt.frames[good], frames()[good])


@pytest.mark.parametrize("name", STACK_FAULTS)
def test_a_mishap_of_the_stack_has_no_bad_frames(name):
    assert apply_fault(name, frames(), DN).bad.size == 0
