"""Whole processes are timed, and their failures told."""

from __future__ import annotations

import pytest

from burst.measure.stacks import Case
from burst.measure.suite import Options
from burst.measure.suites.scaling import (
    FRAME_COUNTS,
    FRAMES,
    SIZE,
    SIZES,
    SUITE,
    USUAL_COUNT,
    USUAL_SIZE,
    measure,
    scaling_cases,
)
from burst.records import StackError


def test_every_shape_is_measured_once():
    shapes = [(case.frames, case.size) for case in scaling_cases("medium", 0)]
    usual = [n for n in FRAME_COUNTS if n <= USUAL_COUNT], [n for n in SIZES if n <= USUAL_SIZE]
    assert len(shapes) == len(set(shapes)) == sum(map(len, usual)) - 1
    assert (FRAMES, SIZE) in shapes


def test_large_stacks_are_measured_where_they_are_asked_for():
    shapes = [(case.frames, case.size) for case in scaling_cases("medium", 0, 20000, 4096)]
    assert len(shapes) == len(FRAME_COUNTS) + len(SIZES) - 1
    assert {(20000, SIZE), (FRAMES, 4096)} < set(shapes)


def test_the_exponent_is_that_of_the_largest_stacks():
    records = [
        {"case": {"frames": n, "size": 10}, "seconds": s, "peak": 1e9}
        for n, s in ((25, 7.0), (100, 10.0), (400, 80.0))
    ]
    table = SUITE.table(records)
    assert "to the power 1.50" in table
    assert "| 400 | 10 x 10 | 80.0 | 5 |" in table


def test_seconds_and_memory_of_a_process():
    found = measure(Options("classical"), ("winner",), Case("camera", "low", 0, 4, 64))
    for seconds, peak in ((found["seconds"], found["peak"]), found["peers"]["winner"]):
        assert 0.2 < seconds < 60
        assert peak > 100e6


def test_failure_is_told():
    with pytest.raises(StackError, match="expected one of"):
        measure(Options("none"), (), Case("camera", "low", 0, 4, 64))
