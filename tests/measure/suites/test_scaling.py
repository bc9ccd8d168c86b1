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
    fitted_power,
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


def test_the_power_is_that_of_the_work_after_the_start():
    amounts = (25, 50, 100, 200, 1000)
    for start, power in ((3.0, 1.0), (0.5, 1.4), (0.0, 0.9)):
        found = fitted_power(amounts, [start + 0.02 * n**power for n in amounts])
        assert found == pytest.approx((start, power), abs=0.02)


def test_the_table_says_how_cost_grows():
    records = [
        {"case": {"frames": n, "size": side}, "seconds": 9.0, "processor": cost, "peak": 1e9,
         "peers": {"pss": {"seconds": 4.0, "processor": 2.0, "peak": 1e8}}}
        for n, side, cost in [
            *((n, SIZE, 2 + 0.04 * n) for n in (25, 50, 100, 200)),
            *((FRAMES, side, 1 + 5e-5 * side**2) for side in (128, 512, 1024)),
        ]
    ]  # fmt: skip
    table = SUITE.table(records)
    assert "grow as the frames to the power 1.00 (after 2.0 s) and as the pixels to" in table
    assert "| 200 | 271 x 271 | 9.0 | 10.0 | 22 |" in table
    assert "| 2.0 | 5.00 | 95 |" in table


def test_seconds_and_memory_of_a_process():
    found = measure(Options("classical"), ("winner",), Case("camera", "low", 0, 4, 64))
    for own in (found, found["peers"]["winner"]):
        assert own["seconds"] > 0.2
        assert 0.2 < own["processor"] < 60
        assert own["peak"] > 100e6


def test_failure_is_told():
    with pytest.raises(StackError, match="expected one of"):
        measure(Options("none"), (), Case("camera", "low", 0, 4, 64))
