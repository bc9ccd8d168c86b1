"""Whole processes are timed, and their failures told."""

from __future__ import annotations

import pytest

from burst.measure.stacks import Case
from burst.measure.suite import Options
from burst.measure.suites.scaling import FRAME_COUNTS, FRAMES, SIZE, SIZES, measure, scaling_cases
from burst.records import StackError


def test_every_shape_is_measured_once():
    shapes = [(case.frames, case.size) for case in scaling_cases("medium", 0)]
    assert len(shapes) == len(set(shapes)) == len(FRAME_COUNTS) + len(SIZES) - 1
    assert (FRAMES, SIZE) in shapes


def test_seconds_and_memory_of_a_process():
    found = measure(Options("classical"), ("winner",), Case("camera", "low", 0, 4, 64))
    for seconds, peak in ((found["seconds"], found["peak"]), found["peers"]["winner"]):
        assert 0.2 < seconds < 60
        assert peak > 100e6


def test_failure_is_told():
    with pytest.raises(StackError, match="expected one of"):
        measure(Options("none"), (), Case("camera", "low", 0, 4, 64))
