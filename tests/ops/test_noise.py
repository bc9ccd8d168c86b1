"""Noise is measured on moving scenes at every level, and its defects are found and mended."""

import numpy as np
import pytest
import torch
from scipy import special
from simulated import LEVELS, linear_of, stack_of

from burst.ops.noise import (
    chi_square,
    clipped_moments,
    fit_noise,
    hot_pixels,
    lowest_linear,
    neighbours,
    noise_curve,
    noise_residual,
    to_dn,
    to_linear,
    undo_clipping,
)
from burst.records import NoiseModel, Sensor

VERY_NOISY = NoiseModel(shot=1 / 80, read=0.01)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return Gaussian noise of unit variance."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def measured(linear: torch.Tensor, lowest: float) -> NoiseModel:
    """Return the noise model of frames [n, h, w]."""
    return fit_noise(*noise_curve(linear), lowest)


def ramp(frames: int = 30) -> torch.Tensor:
    """Return frames [n, 96, 128] of a smooth ramp from 0 to 0.8."""
    return torch.linspace(0, 0.8, 128).expand(frames, 96, 128)


def with_noise(clean: torch.Tensor, noise: NoiseModel, lowest: float) -> torch.Tensor:
    """Return frames with Gaussian noise of the model's variance, clipped as a sensor clips."""
    sigma = (noise.shot * clean + noise.read).sqrt()
    return (clean + sigma * normal(*clean.shape)).clamp(lowest, 1)


def test_dn_become_linear_with_black_0_and_white_1():
    frames = np.array([[[256, 4095, 0]]], np.uint16)
    linear = to_linear(frames, Sensor(256, 4095))
    sensor = Sensor(black_level=256, white_level=4095)
    assert linear.flatten().tolist() == pytest.approx([0, 1, lowest_linear(sensor)])
    assert linear.dtype == torch.float32


def test_noise_residual_has_the_variance_of_the_noise():
    residual = noise_residual(0.1 * normal(4, 100, 100))
    assert residual.shape == (4, 98, 98)
    assert float(residual.var()) == pytest.approx(0.01, rel=0.05)


def test_noise_residual_is_blind_to_planes_and_row_offsets():
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    rows = normal(9, 1)
    residual = noise_residual((0.3 * x + 0.1 * y + rows)[None])
    torch.testing.assert_close(residual, torch.zeros_like(residual), atol=1e-5, rtol=0)


@pytest.mark.parametrize("level", LEVELS)
def test_variance_is_measured_within_a_tenth_at_every_level(level):
    simulated = stack_of(level)
    conditions = simulated.truth.conditions
    found = measured(linear_of(simulated), lowest_linear(simulated.stack.sensor))
    shot, read = 1 / conditions.electrons, (conditions.read_noise / conditions.electrons) ** 2
    for x in (0.05, 0.18, 0.5):
        assert found.std(x) ** 2 == pytest.approx(shot * x + read, rel=0.1)


@pytest.mark.parametrize("lowest", [-0.07, 0.0])
def test_clipped_darkness_does_not_hide_its_noise(lowest):
    found = measured(with_noise(ramp(), NoiseModel(0.004, 0.0016), lowest), lowest)
    assert found.shot == pytest.approx(0.004, rel=0.1)
    assert found.read == pytest.approx(0.0016, rel=0.1)


def test_a_model_is_fitted_to_its_own_curve():
    noise = NoiseModel(0.003, 2e-4)
    levels = np.linspace(0.05, 0.8, 20)
    found = fit_noise(levels, 0.003 * levels + 2e-4, -1.0)
    assert (found.shot, found.read) == pytest.approx((noise.shot, noise.read), rel=0.01)


def test_no_sensor_reads_with_less_noise_than_rounding():
    levels, step = np.linspace(0.05, 0.8, 20), 1 / 1000
    found = fit_noise(levels, 0.003 * levels, -1.0, step)
    assert found.read >= step**2 / 12
    assert found.shot == pytest.approx(0.003, rel=0.01)


def test_pixels_that_are_not_good_stay_out_of_the_curve():
    noise = NoiseModel(0.0004, 1e-5)
    linear = with_noise(ramp() + 0.1, noise, -1.0)
    good = torch.ones(linear.shape[1:], dtype=torch.bool)
    good[:8], linear[:, :8] = False, -0.05
    levels, variances = noise_curve(linear, good)
    assert levels.min() > 0.08
    found = fit_noise(levels, variances, -1.0)
    assert found.std(0.5) == pytest.approx(noise.std(0.5), rel=0.05)


@pytest.mark.parametrize("x", [-0.02, 0.0, 0.1, 0.5, 0.97])
def test_moments_through_clipping_are_those_of_drawn_noise(x):
    lowest = -0.05
    drawn = x + VERY_NOISY.std(x) * np.random.default_rng(0).standard_normal(400_000)
    drawn = np.clip(drawn, lowest, 1)
    mean, variance = clipped_moments(np.array([x]), VERY_NOISY, lowest)
    assert mean[0] == pytest.approx(drawn.mean(), abs=6e-4)
    assert variance[0] == pytest.approx(drawn.var(), rel=0.01)


def test_without_clipping_moments_are_the_model():
    x = np.array([0.2, 0.5])
    mean, variance = clipped_moments(x, NoiseModel(1e-4, 1e-5), -1.0)
    np.testing.assert_allclose(mean, x, atol=1e-9)
    np.testing.assert_allclose(variance, 1e-4 * x + 1e-5, rtol=1e-6)


def test_the_mean_of_clipped_frames_becomes_true_again():
    truth = torch.linspace(0, 0.8, 9)[:, None]
    clipped = with_noise(truth.expand(9, 100_000), VERY_NOISY, 0.0).mean(1, keepdim=True)
    assert float((clipped - truth)[0]) > 0.03
    restored = undo_clipping(clipped, VERY_NOISY, 0.0)
    torch.testing.assert_close(restored, truth, atol=0.005, rtol=0)


def test_undoing_leaves_what_was_not_clipped():
    values = torch.linspace(0.1, 0.9, 9)[None]
    same = undo_clipping(values, NoiseModel(1e-5, 1e-6), -0.06)
    torch.testing.assert_close(same, values, atol=1e-4, rtol=0)


@pytest.mark.parametrize("level", LEVELS)
def test_hot_pixels_are_found_and_nothing_else(level):
    simulated = stack_of(level, frames=30, seed=1)
    linear = linear_of(simulated)
    noise = measured(linear, lowest_linear(simulated.stack.sensor))
    assert simulated.truth.hot.any()
    assert torch.equal(hot_pixels(linear, noise), simulated.truth.hot)


def test_a_dead_pixel_stands_out_too():
    linear = torch.full((10, 16, 16), 0.5) + 0.01 * normal(10, 16, 16)
    linear[:, 4, 5] = 0
    found = hot_pixels(linear, NoiseModel(0.0, 1e-4))
    assert found.nonzero().tolist() == [[4, 5]]


def test_an_edge_is_no_defect():
    linear = torch.zeros(10, 16, 16)
    linear[:, :, 8:] = 0.9
    assert not hot_pixels(linear, NoiseModel(0.0, 1e-6)).any()


def test_neighbours_are_the_eight_around():
    frame = torch.arange(25.0).reshape(1, 5, 5)
    assert neighbours(frame)[0, :, 2, 2].tolist() == [6, 7, 8, 11, 13, 16, 17, 18]


def test_dn_become_linear_and_dn_again():
    sensor = Sensor(black_level=256, white_level=4095)
    dn = np.array([[0, 256], [1000, 4095]], np.uint16)
    linear = to_linear(dn, sensor)
    assert linear[0, 1] == 0
    assert linear[1, 1] == 1
    assert np.array_equal(to_dn(linear, sensor), dn)
    assert to_dn(torch.tensor([-1.0, 2.0]), sensor).tolist() == [0, 4095]


def test_frames_are_left_as_they_are_when_made_linear():
    frames = np.ones((2, 3), np.float32)
    to_linear(frames, Sensor(black_level=1))
    assert (frames == 1).all()


def test_variance_is_that_of_the_model_and_that_of_black_below_it():
    noise = NoiseModel(shot=2e-4, read=1e-6)
    found = noise.variance(torch.tensor([-0.5, 0.0, 0.5]))
    torch.testing.assert_close(found, torch.tensor([1e-6, 1e-6, 1.01e-4]))


@pytest.mark.parametrize("degrees", [1, 2, 99, 19999])
@pytest.mark.parametrize("probability", [1e-7, 0.25, 1 - 1e-7])
def test_chi_square_is_that_of_scipy(degrees, probability):
    wanted = 2 * special.gammaincinv(degrees / 2, probability)
    assert chi_square(probability, degrees) == pytest.approx(wanted, rel=1e-6, abs=1e-13)
