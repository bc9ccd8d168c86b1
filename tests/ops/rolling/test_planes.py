"""Rows that were exposed longer are made as bright as the others, and what clipped is known."""

from dataclasses import replace

import numpy as np
import torch

from burst.ops.color import linear_to_display
from burst.ops.rolling.planes import luminance, planes_of, unclipped
from burst.ops.shutter import row_gain
from burst.records import Sensor, Shutter, Stack

RESET = Sensor(white_level=4000, shutter=Shutter.GLOBAL_RESET, exposure_time=0.01, row_time=0.0005)
GAIN = 1 + 0.05 * np.arange(20)


def grey(sensor: Sensor = RESET) -> Stack:
    """Return one frame of a grey wall."""
    rows = np.minimum(2200 * GAIN, 4000).round().astype(np.uint16)
    return Stack(np.repeat(rows[:, None], 24, axis=1)[None], sensor)


def test_the_gain_of_a_row_is_its_exposure():
    np.testing.assert_allclose(row_gain(RESET, 20, np.ones(1))[0], GAIN, rtol=1e-6)
    upwards = row_gain(RESET, 20, -np.ones(1))[0]
    np.testing.assert_allclose(upwards, GAIN[::-1], rtol=1e-6)
    assert (row_gain(replace(RESET, shutter=Shutter.ROLLING), 20, np.ones(2)) == 1).all()


def test_rows_come_out_alike_but_for_those_that_clipped():
    image = planes_of(grey())(0)[0]
    clipped = GAIN * 2200 >= 4000
    np.testing.assert_allclose(image[~clipped], 0.55, atol=2e-4)
    np.testing.assert_array_equal(unclipped(grey())[0, 0, :, 0] == 0, clipped)


def test_encoded_frames_are_made_alike_in_light():
    sensor = replace(RESET, white_level=255, transfer="srgb")
    shown = linear_to_display(torch.from_numpy(0.3 * GAIN)).float()
    frames = (255 * shown).round().numpy().astype(np.uint16)
    stack = Stack(np.repeat(frames[:, None], 24, axis=1)[None], sensor)
    wanted = float(linear_to_display(torch.tensor(0.3)))
    np.testing.assert_allclose(luminance(stack), wanted, atol=0.004)


def test_other_shutters_are_left_as_they_are():
    stack = Stack(np.full((2, 20, 24), 1000, np.uint16), Sensor(white_level=4000))
    assert (planes_of(stack)(1) == 0.25).all()
    assert unclipped(stack) is None
