from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from burst.ops.least_squares import robust_least_squares


def misfit(parameters: np.ndarray) -> np.ndarray:
    """Return how far an exponential lies off noisy values, a tenth of which are wrong."""
    draw = np.random.default_rng(0)
    x = np.linspace(0, 2, 60)
    values = 3 * np.exp(-1.2 * x) + draw.normal(0, 0.02, 60)
    values[::10] += 1
    return np.asarray(np.exp(parameters[0]) * np.exp(-np.exp(parameters[1]) * x) - values)


@pytest.mark.parametrize("start", [(0.0, 0.0), (3.0, 1.0), (-2.0, -2.0)])
def test_it_finds_what_scipy_finds(start: tuple[float, float]) -> None:
    found = robust_least_squares(misfit, np.array(start), 0.1)
    theirs = optimize.least_squares(misfit, start, loss="soft_l1", f_scale=0.1)
    np.testing.assert_allclose(found, theirs.x, atol=1e-5)
    np.testing.assert_allclose(np.exp(found), [3, 1.2], rtol=0.03)


def test_a_parameter_that_nothing_depends_on_stays() -> None:
    found = robust_least_squares(lambda p: np.array([p[0] - 2, 0.0]), np.zeros(2), 0.1)
    np.testing.assert_allclose(found, [2, 0], atol=1e-6)
