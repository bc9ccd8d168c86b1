"""Simulated wavefronts have Noll's variances, and the correlation in field and time asked for."""

import math

import numpy as np
import pytest
import torch

from burst.ops.turbulence.air import (
    Air,
    at_times,
    frame_correlation,
    mode_correlation,
    tilt_std,
    tilt_to_pixels,
    zernike_fields,
)
from burst.ops.turbulence.zernike import noll_covariance

STRENGTH = 3.0
SPACING = 8.0


@pytest.fixture(scope="module")
def independent() -> torch.Tensor:
    """Return fields [4000, 35, 8, 8] of narrow beams, without memory, at D/r0 = 3."""
    air = Air(STRENGTH, aperture_px=4.0, coherence=0.0)
    return zernike_fields(air, (8, 8), SPACING, 4000, torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def wide() -> torch.Tensor:
    """Return tilts [3000, 2, 12, 12] of beams of 32 px, without memory."""
    air = Air(STRENGTH, aperture_px=32.0, coherence=0.0, modes=3)
    return zernike_fields(air, (12, 12), SPACING, 3000, torch.Generator().manual_seed(2))


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the correlation of two zero-mean samples of equal shape."""
    return float((one * other).mean() / (one.square().mean() * other.square().mean()).sqrt())


def test_every_mode_has_nolls_variance(independent):
    variance = independent.square().mean((0, 2, 3)).numpy()
    theory = np.diag(noll_covariance(2, 36)) * STRENGTH ** (5 / 3)
    np.testing.assert_allclose(variance, theory, rtol=0.05)


def test_modes_are_correlated_as_noll_says(independent):
    theory = noll_covariance(2, 36)
    expected = theory[2, 9] / math.sqrt(theory[2, 2] * theory[9, 9])
    assert correlation(independent[:, 2], independent[:, 9]) == pytest.approx(expected, abs=0.02)
    assert correlation(independent[:, 0], independent[:, 1]) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("sampling", [0.7, 1.0])
def test_displacement_follows_theory(independent, sampling):
    displacement = independent[:, :2] * tilt_to_pixels(sampling)
    expected = 0.86 * STRENGTH ** (5 / 6) / sampling
    assert float(displacement.square().mean().sqrt()) == pytest.approx(expected, rel=0.03)
    assert tilt_std(STRENGTH, sampling) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("j", "cells"), [(2, 2), (2, 6), (3, 2), (3, 6)])
def test_tilt_is_correlated_over_the_field_as_specified(wide, j, cells):
    tilt = wide[:, j - 2]
    along_x, along_y = tilt[..., cells:], tilt[:, cells:]
    apart = np.array([cells * SPACING, 0.0])
    theory = mode_correlation(j, apart, apart[::-1], 32.0)
    assert correlation(tilt[..., :-cells], along_x) == pytest.approx(theory[0], abs=0.03)
    assert correlation(tilt[:, :-cells], along_y) == pytest.approx(theory[1], abs=0.03)


@pytest.mark.parametrize("j", [2, 4, 11])
def test_correlation_falls_with_distance(j):
    distance = np.array([0.0, 8.0, 16.0, 32.0, 64.0, 128.0])
    falling = mode_correlation(j, distance, np.zeros(6), 32.0)
    assert falling[0] == pytest.approx(1, abs=0.01)
    assert (np.diff(falling) < 0.01).all()
    assert falling[2] < falling[0] - 0.01


def test_only_distance_in_beam_widths_matters():
    distance = np.array([4.0, 20.0])
    one = mode_correlation(2, distance, distance / 2, 16.0)
    twice = mode_correlation(2, 2 * distance, distance, 32.0)
    np.testing.assert_allclose(one, twice)


def test_time_forgets_as_specified():
    air = Air(1.0, aperture_px=4.0, coherence=2.0)
    fields = zernike_fields(air, (6, 6), SPACING, 1500, torch.Generator().manual_seed(3))
    tilt, high = fields[:, :2], fields[:, 20:30]
    for lag in (1, 3):
        expected = math.exp(-lag / 2)
        assert correlation(tilt[lag:], tilt[:-lag]) == pytest.approx(expected, abs=0.03)
    assert correlation(high[1:], high[:-1]) == pytest.approx(math.exp(-1.4 / 2), abs=0.03)
    assert float(tilt[:750].var()) == pytest.approx(float(tilt[750:].var()), rel=0.1)


def test_frames_far_apart_in_time_share_nothing():
    assert frame_correlation(0.0) == 0
    assert frame_correlation(1.0) == pytest.approx(math.exp(-1))
    assert frame_correlation(1e9) == pytest.approx(1)


@pytest.mark.parametrize("late", [0.0, 0.25, 0.5, 0.9])
def test_between_two_instants_the_variance_stays(late):
    air = Air(1.0, aperture_px=4.0, coherence=1.0, modes=3)
    fields = zernike_fields(air, (8, 8), SPACING, 800, torch.Generator().manual_seed(4))
    times = (torch.arange(798) + late)[:, None].expand(-1, 8)
    between = at_times(fields, times, frame_correlation(1.0))
    assert float(between.var()) == pytest.approx(float(fields.var()), rel=0.03)


def test_each_row_is_read_at_its_own_time():
    fields = torch.arange(4.0)[:, None, None, None].expand(4, 1, 3, 2)
    times = torch.tensor([[0.0, 1.0, 2.0]])
    seen = at_times(fields, times, correlation=1.0)
    assert seen[0, 0, :, 0].tolist() == [0, 1, 2]
    # With full correlation nothing has to be rescaled: blending is linear.
    halfway = at_times(fields, times + 0.5, correlation=1.0)
    torch.testing.assert_close(halfway[0, 0, :, 1], torch.tensor([0.5, 1.5, 2.5]))


def test_the_same_seed_gives_the_same_air():
    air = Air(2.0)
    one, two, other = (
        zernike_fields(air, (3, 4), SPACING, 3, torch.Generator().manual_seed(seed))
        for seed in (5, 5, 6)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
