"""Zernike modes and their Kolmogorov statistics are those of Noll and of Takato and Yamaguchi."""

import numpy as np
import pytest
from scipy import special

from burst.ops.turbulence.zernike import (
    angular_correlation,
    bessel,
    noll_covariance,
    noll_to_nm,
    zernike,
)

# Noll (1976), table I: order n and azimuthal frequency m of modes 1 to 15.
PUBLISHED_ORDER = [
    (0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2), (3, -1), (3, 1), (3, -3), (3, 3), (4, 0),
    (4, 2), (4, -2), (4, 4), (4, -4),
]  # fmt: skip

SEPARATIONS = (0.25, 0.5, 1.0, 2.0, 4.0)


def disc(points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return rho and theta of the points of a grid that lie in the unit disc."""
    y, x = (np.mgrid[:points, :points] + 0.5) / points * 2 - 1
    rho = np.hypot(x, y).ravel()
    return rho[rho <= 1], np.arctan2(y, x).ravel()[rho <= 1]


def phase_variance() -> float:
    """Return Noll's phase variance without piston at D/r0 = 1, summed over many modes."""
    first = np.trace(noll_covariance(2, 400))
    # Noll (1976), p. 211: what the first J modes leave falls as 0.2944 J^(-sqrt(3)/2).
    return float(first + 0.2944 * 400 ** (-np.sqrt(3) / 2))


@pytest.mark.parametrize(("j", "nm"), list(enumerate(PUBLISHED_ORDER, start=1)))
def test_indices_follow_the_published_order(j, nm):
    assert noll_to_nm(j) == nm


def test_modes_are_orthonormal_on_the_disc():
    rho, theta = disc()
    modes = np.stack([zernike(j, rho, theta) for j in range(1, 22)])
    np.testing.assert_allclose(modes @ modes.T / len(rho), np.eye(21), atol=0.02)


def test_defocus_is_a_parabola():
    rho = np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(zernike(4, rho, rho), np.sqrt(3) * (2 * rho**2 - 1))


def test_tilts_point_along_x_and_y():
    assert zernike(2, np.array([1.0]), np.array([0.0]))[0] == pytest.approx(2)
    assert zernike(3, np.array([1.0]), np.array([np.pi / 2]))[0] == pytest.approx(2)


@pytest.mark.parametrize(
    ("modes", "variance"), [((2, 3), 0.449), ((4, 5, 6), 0.0232), ((7, 8, 9, 10), 0.0062)]
)
def test_variances_are_the_published_ones(modes, variance):
    diagonal = np.diag(noll_covariance(2, 10))
    assert [diagonal[j - 2] for j in modes] == pytest.approx([variance] * len(modes), rel=0.01)


def test_the_constant_is_that_of_the_structure_function():
    # Points of a disc of diameter 1 lie s apart with density 16 s (acos s - s sqrt(1 - s^2)) / pi;
    # the variance without piston is half the mean of D(s) = 6.8839 s^(5/3) over all pairs.
    s = (np.arange(20000) + 0.5) / 20000
    density = 16 * s / np.pi * (np.arccos(s) - s * np.sqrt(1 - s**2))
    assert phase_variance() == pytest.approx(
        0.5 * np.mean(density * 6.8839 * s ** (5 / 3)), rel=1e-3
    )


def test_defocus_and_spherical_aberration_are_correlated():
    covariance = noll_covariance(4, 11)
    correlation = covariance[0, 7] / np.sqrt(covariance[0, 0] * covariance[7, 7])
    assert correlation == pytest.approx(-0.51, abs=0.01)


def test_modes_of_another_angle_are_independent():
    covariance = noll_covariance(2, 36)
    orders = [noll_to_nm(j)[1] for j in range(2, 37)]
    different = np.not_equal.outer(orders, orders)
    assert not covariance[different].any()


def test_covariance_is_symmetric_and_positive():
    covariance = noll_covariance(2, 36)
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_residuals_are_the_published_ones():
    assert phase_variance() == pytest.approx(1.03, rel=0.01)
    tilt = float(np.trace(noll_covariance(2, 3)))
    assert phase_variance() - tilt == pytest.approx(0.134, rel=0.01)


def test_tilts_of_one_layer_part_as_published():
    isotropic, directional = angular_correlation(1, 1, SEPARATIONS)
    longitudinal = isotropic + directional
    lateral = isotropic - directional
    # The published integral leaves out the longest waves, which far apart beams share.
    np.testing.assert_allclose(longitudinal, [0.926, 0.772, 0.558, 0.420, 0.328], rtol=0.025)
    np.testing.assert_allclose(lateral, [0.974, 0.913, 0.780, 0.622, 0.494], rtol=0.025)


def test_the_other_tilt_is_the_first_one_turned():
    isotropic, along_x = angular_correlation(1, 1, SEPARATIONS)
    same, along_y = angular_correlation(1, -1, SEPARATIONS)
    np.testing.assert_allclose(isotropic, same)
    np.testing.assert_allclose(along_x, -along_y)


@pytest.mark.parametrize("j", [2, 4, 6, 11])
def test_a_beam_is_fully_correlated_with_itself(j):
    isotropic, directional = angular_correlation(*noll_to_nm(j), (0.0,))
    assert isotropic[0] == pytest.approx(1)
    assert directional[0] == pytest.approx(0)


def test_higher_modes_part_sooner():
    tilt, defocus = (angular_correlation(*noll_to_nm(j), SEPARATIONS)[0] for j in (2, 4))
    assert (defocus < tilt).all()


@pytest.mark.parametrize("order", [0, 1, 2, 3, 8, 15])
def test_bessel_functions_are_those_of_scipy(order):
    x = np.concatenate([[0.0], np.geomspace(1e-8, 800, 2000)])
    np.testing.assert_allclose(bessel(order, x), special.jv(order, x), atol=1e-10)
    small = x[(x > 1e-3) & (x < 0.1)]
    np.testing.assert_allclose(bessel(order, small), special.jv(order, small), rtol=1e-10, atol=0)
