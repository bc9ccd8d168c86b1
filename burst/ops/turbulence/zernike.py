"""Zernike modes of Kolmogorov turbulence: Noll's indices, covariance, and correlation over angle.

Sources: R. J. Noll, J. Opt. Soc. Am. 66, 207 (1976); N. Takato and I. Yamaguchi, J. Opt. Soc. Am. A
12, 958 (1995) for the correlation between two directions.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch

TILT_X, TILT_Y, FIRST_HIGHER = 2, 3, 4


@lru_cache(maxsize=256)
def noll_to_nm(j: int) -> tuple[int, int]:
    """Return radial order n and azimuthal order m of Noll's mode j >= 1; m < 0 marks a sine."""
    n = 0
    while (n + 1) * (n + 2) // 2 < j:
        n += 1
    place = j - n * (n + 1) // 2 - 1
    m = n % 2 + 2 * ((place + (n + 1) % 2) // 2)
    return n, m if m == 0 or j % 2 == 0 else -m


def zernike(j: int, rho: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return mode j on polar coordinates (rho <= 1), with unit mean square over the disc."""
    n, m = noll_to_nm(j)
    order = abs(m)
    radial = sum(
        (-1) ** k
        * math.comb(n - k, k)
        * math.comb(n - 2 * k, (n - order) // 2 - k)
        * rho ** (n - 2 * k)
        for k in range((n - order) // 2 + 1)
    )
    if m == 0:
        return np.asarray(math.sqrt(n + 1) * radial)
    angular = np.cos(order * theta) if m > 0 else np.sin(order * theta)
    return np.asarray(math.sqrt(2 * (n + 1)) * radial * angular)


@lru_cache(maxsize=8)
def noll_covariance(first: int, last: int) -> np.ndarray:
    """Return <a_i a_j> in rad^2 at D/r0 = 1 for modes first..last; scales as (D/r0)^(5/3). Noll
    (1976) eq. 25 in closed form, with the exact constant for the pupil's diameter."""
    modes = range(first, last + 1)
    return np.array([[_covariance(i, j) for j in modes] for i in modes])


def _covariance(i: int, j: int) -> float:
    (n, m), (n2, m2) = noll_to_nm(i), noll_to_nm(j)
    if m != m2:
        return 0.0
    sign = (-1) ** ((n + n2 - 2 * abs(m)) // 2)
    gamma = math.gamma
    ratio = gamma((n + n2 - 5 / 3) / 2) / (
        gamma((n - n2 + 17 / 3) / 2) * gamma((n2 - n + 17 / 3) / 2) * gamma((n + n2 + 23 / 3) / 2)
    )
    return float(_noll_constant() * sign * math.sqrt((n + 1) * (n2 + 1)) * ratio)


def _noll_constant() -> float:
    """Return the constant of the covariance that belongs to D = 6.88 (r/r0)^(5/3), 2.2460. Often
    printed as 2.2698, with pi for 2^(5/3); that breaks the sum over all modes, 1.0324."""
    gamma = math.gamma
    structure = structure_constant()
    return float(gamma(14 / 3) * structure * gamma(11 / 6) ** 2 / (2 * math.pi * 2 ** (5 / 3)))


def structure_constant() -> float:
    """Return (24/5 Gamma(6/5))^(5/6), half of the 6.88 of Fried's structure function."""
    return float((24 / 5 * math.gamma(6 / 5)) ** (5 / 6))


@lru_cache(maxsize=64)
def angular_correlation(n: int, m: int, separations: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Return the isotropic and the directional part of a mode's correlation on one thin layer. For
    two beams `s` diameters apart at angle phi the correlation of mode (n, m) is isotropic(s) +
    directional(s) * cos(2 |m| phi); a sine mode has the opposite sign."""
    order = abs(m)
    # Tilt draws a tenth of its variance from waves a thousand apertures long: start far below them.
    x = np.geomspace(1e-8, 100.0, 1200)
    weight = np.gradient(x) * x ** (-14 / 3) * bessel(n + 1, x) ** 2
    weight /= weight.sum()
    argument = 2 * np.asarray(separations)[:, None] * x
    isotropic = bessel(0, argument) @ weight
    if m == 0:
        return isotropic, np.zeros_like(isotropic)
    sign = (-1) ** order if m > 0 else -((-1) ** order)
    return isotropic, sign * (bessel(2 * order, argument) @ weight)


def bessel(order: int, x: np.ndarray) -> np.ndarray:
    """Return the Bessel function of the first kind of an order, for x >= 0, within 1e-10. SciPy has
    it, and takes long to import."""
    near = x < max(order + 4, 12)
    half, far = x[near] / 2, torch.from_numpy(x[~near])
    below, last = -torch.special.bessel_j1(far), torch.special.bessel_j0(far)  # orders -1 and 0
    for k in range(order):
        below, last = last, 2 * k / far * last - below
    powers = (
        np.float64(-1) ** k / math.factorial(k) / math.factorial(k + order) for k in range(40)
    )
    found = np.empty_like(x)
    found[near] = sum(power * half ** (2 * k + order) for k, power in enumerate(powers))
    found[~near] = last.numpy()
    return found
