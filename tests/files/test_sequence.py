"""A sequence holds frames and truths that fit, and knows when each row of it was exposed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burst.files.sequence import Sequence, luminance_of
from burst.ops.shutter import exposure_window
from burst.records import Sensor, Shutter, StackError

SENSOR = Sensor(
    white_level=255, transfer="srgb", shutter=Shutter.ROLLING,
    exposure_time=2e-3, row_time=1e-3, frame_time=0.04,
)  # fmt: skip
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (3, 20, 24, 3), np.uint8)


def make(**changes) -> Sequence:
    """Return three colour frames with the truth of the middle one's middle row."""
    sequence = Sequence(
        COLOUR, SENSOR, np.ones(3, np.int8),
        truths=COLOUR[1:2], truth_frame=np.array([1]), truth_share=np.array([0.5]),
    )  # fmt: skip
    return replace(sequence, **changes)


def test_exposures_are_those_of_the_one_function():
    for one, other in zip(make().exposures(), exposure_window(SENSOR, 20, np.ones(3)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_middle_row_s_instant_is_half_an_exposure_after_its_start():
    assert make().instants.tolist() == pytest.approx([0.04 + 9.5e-3 + 1e-3])


def test_under_a_global_reset_instants_follow_the_growing_exposure():
    sensor = replace(SENSOR, shutter=Shutter.GLOBAL_RESET)
    assert make(sensor=sensor).instants.tolist() == pytest.approx([0.04 + (2e-3 + 9.5e-3) / 2])


def test_another_readout_ratio_moves_the_instants():
    sequence = make().with_readout_ratio(0.25)
    assert sequence.readout_ratio == pytest.approx(0.25)
    assert sequence.instants[0] == pytest.approx(0.04 + 9.5 * 0.25 * 0.04 / 20 + 1e-3)
    with pytest.raises(StackError, match="row_time: expected seconds of at least 0"):
        make().with_readout_ratio(-1)


def test_planes_are_the_colours_as_stacks_with_the_same_times():
    red, green, blue = make().planes()
    assert np.array_equal(np.stack([s.frames for s in (red, green, blue)], axis=-1), COLOUR)
    assert (red.name, red.sensor, red.frames.dtype) == ("sequence-R", SENSOR, np.uint16)
    grey = Sequence(COLOUR[..., 0], SENSOR, np.ones(3, np.int8))
    (plane,) = grey.planes()
    assert np.array_equal(plane.frames, grey.luminance().frames)


def test_luminance_weighs_green_most():
    image = np.zeros((3, 2, 2, 3), np.uint8)
    for channel in range(3):
        image[channel, ..., channel] = 255
    red, green, blue = luminance_of(image)[:, 0, 0].tolist()
    assert (red, green, blue) == (76, 150, 29)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": COLOUR[..., :2]}, "expected frames (n, h, w)"),
        ({"scan": np.ones(2, np.int8)}, "expected a scan of 3 frames"),
        ({"truth_share": np.zeros(2)}, "expected 1 truths with a moment each"),
        ({"truths": COLOUR[:1, :10]}, "expected truths like the frames (20, 24, 3)"),
        ({"masks": np.ones((1, 20, 20), bool)}, "expected masks (1, 20, 24)"),
        ({"flow": np.zeros((1, 1, 2, 24, 20))}, "expected flow (t, k, 2, 20, 24)"),
        ({"rows": 30, "top": 11}, "expected 20 rows within 30"),
    ],
)
def test_what_does_not_fit_is_told(changes, message):
    with pytest.raises(StackError) as caught:
        make(**changes)
    assert message in str(caught.value)
