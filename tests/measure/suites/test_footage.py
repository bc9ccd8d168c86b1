"""Sequences without a truth are restored, and what is seen beyond their frames is told."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import stack_of

from burst.measure.suite import Footage, Options, find_suite
from burst.measure.suites.footage import measure
from burst.pipeline import load


def test_a_sequence_is_compared_with_its_own_merged_image(tmp_path):
    np.save(tmp_path / "air.npy", stack_of("low", 96, 8).stack.frames)
    found = measure(load("classical"), Footage(str(tmp_path / "air.npy")))
    assert set(found) == {"burst"}
    assert found["burst"]["sharpness"] > 1
    record = {"case": {"path": "air.npy"}, **found}
    assert "| air.npy | burst |" in find_suite("footage").tables([record])


def test_what_is_to_be_seen_is_a_failure():
    clean = {"ringing": 1.0, "lattice": 5.0, "clipped": 0.0, "sharpness": 1.5}
    records = [
        {"case": {"path": "a/good"}, "burst": clean},
        {"case": {"path": "a/bad"}, "burst": {**clean, "lattice": 40.0}},
    ]
    failures = find_suite("footage").finish(None, records)
    assert failures == ["bad: lattice of 40.0 is to be seen"]


def test_it_asks_for_stacks():
    with pytest.raises(ValueError, match="Pass --images"):
        find_suite("footage").cases(Options())
