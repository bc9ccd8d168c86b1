"""Spoilt frames differ where they should, by a seed, and what they were made of stays."""

import numpy as np
import pytest

from burst.data.defects import DEFECTS

FRAMES = np.random.default_rng(0).integers(300, 900, (12, 48, 64)).astype(np.uint16)


@pytest.mark.parametrize("kind", DEFECTS)
def test_frames_stay_uint16_and_the_seed_decides(kind):
    before = FRAMES.copy()
    one, same, other = (DEFECTS[kind](FRAMES, seed) for seed in (0, 0, 1))
    assert one.dtype == np.uint16
    assert one.shape == FRAMES.shape
    np.testing.assert_array_equal(FRAMES, before)
    np.testing.assert_array_equal(one, same)
    assert (one != FRAMES).any()
    assert kind in ("dark_row_block", "wrong_black") or (one != other).any()


def test_stuck_rows_hold_one_value_each():
    spoilt = DEFECTS["stuck_rows"](FRAMES, 0)
    stuck = np.ptp(spoilt, axis=(0, 2)) == 0
    assert stuck.sum() == 3
    np.testing.assert_array_equal(spoilt[:, ~stuck], FRAMES[:, ~stuck])


def test_a_blinking_pixel_is_sometimes_right():
    changed = DEFECTS["blinking"](FRAMES, 3) != FRAMES
    restless = changed.any(0)
    assert 0.1 < changed[:, restless].mean() < 0.9
