"""The noise stage gives linear frames without hot pixels and row noise, and their noise model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated import after, before, linear_of, rms, stack_of, truth_of

from burst.records import Burst, Stack
from burst.stages.noise import Config, run


def test_noise_at_mid_grey_is_that_of_the_level():
    conditions = truth_of().conditions
    numbers = after("noise").report.numbers("noise")
    variance = 0.18 / conditions.electrons + (conditions.read_noise / conditions.electrons) ** 2
    assert numbers["mid_grey_std"] ** 2 == pytest.approx(variance, rel=0.1)
    assert numbers["shot"] == after("noise").noise.shot
    assert numbers["read"] == after("noise").noise.read


def test_the_curve_is_the_one_that_was_fitted():
    curve = after("noise").report.numbers("noise")["curve"]
    level, variance = np.array(curve["level"]), np.array(curve["variance"])
    noise = after("noise").noise
    bright = level > 0.05
    fitted = noise.shot * level + noise.read
    assert (np.diff(level) > 0).all()
    np.testing.assert_allclose(variance[bright], fitted[bright], rtol=0.25)


def test_hot_pixels_are_mended():
    hot = truth_of().hot
    found, kept = (run(before("noise"), Config(hot_pixels=flag)) for flag in (True, False))
    assert found.report.entries[-1].numbers["hot_pixels"] == int(hot.sum())
    assert hot.sum() > 0
    assert float(kept.linear[:, hot].mean()) > float(found.linear[:, hot].mean()) + 0.3
    assert torch.equal(found.linear[:, ~hot], kept.linear[:, ~hot])


def test_row_noise_is_taken_out_where_there_is_any():
    simulated = stack_of("very-high")
    burst = Burst(simulated.stack)
    with_it, without_it = (run(burst, Config(row_noise=flag)).linear for flag in (False, True))
    taken = (with_it - without_it).mean(2)
    truth = simulated.truth.row_offset
    assert rms(truth - taken) < 0.8 * rms(truth)


def test_row_noise_may_be_left_in():
    simulated = stack_of("very-high")
    config = Config(hot_pixels=False, row_noise=False)
    assert torch.equal(run(Burst(simulated.stack), config).linear, linear_of(simulated))


def test_levels_of_the_sensor_are_used():
    simulated = stack_of("low")
    stack = simulated.stack
    sensor = replace(stack.sensor, black_level=1256, white_level=5095)
    moved = Stack(stack.frames + np.uint16(1000), sensor)
    one, two = (run(Burst(s), Config()).linear for s in (stack, moved))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_the_stack_itself_is_not_written_to():
    stack = stack_of("low").stack
    frames = stack.frames.copy()
    run(Burst(stack), Config())
    np.testing.assert_array_equal(stack.frames, frames)
