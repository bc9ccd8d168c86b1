"""A small simulated stack and the pipeline's trace on it, for the tests of the instruments."""

from __future__ import annotations

import pytest

from burst.measure.stacks import Case, simulate_case
from burst.measure.trace import run_traced
from burst.pipeline import load

SMALL = Case("camera", "medium", seed=0, frames=16, size=96)


@pytest.fixture(scope="session")
def simulated():
    """Return 16 frames of 96 x 96 px at level medium, with their truth."""
    return simulate_case(SMALL)[0]


@pytest.fixture(scope="session")
def trace(simulated):
    """Return the burst after every stage of the classical pipeline."""
    return run_traced(load("classical"), simulated.stack)
