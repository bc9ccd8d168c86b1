"""Cost: seconds add up, memory is the highest."""

from __future__ import annotations

import time

import pytest

from burst.measure.cost import FREE, Cost, measured


def test_seconds_and_result():
    result, cost = measured(lambda: time.sleep(0.05) or 7)
    assert result == 7
    assert 0.05 <= cost.seconds < 1


def test_peak_sees_what_was_freed_again():
    _, cost = measured(lambda: len(bytearray(64 * 2**20)))
    if cost.peak is None:
        pytest.skip("this system does not tell the peak of memory")
    assert 50 * 2**20 < cost.peak < 128 * 2**20


def test_costs_follow_each_other():
    assert Cost(1.0, 5).then(Cost(2.0, 3)) == Cost(3.0, 5)
    assert FREE.then(Cost(2.0, None)) == Cost(2.0, None)
