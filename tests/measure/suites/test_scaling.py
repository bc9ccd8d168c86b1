"""Whole processes are timed, and their failures told."""

from __future__ import annotations

import pytest

from burst.measure.stacks import Case
from burst.measure.suites.scaling import FRAME_COUNTS, FRAMES, SIZE, SIZES, Scaling, scaling_cases
from burst.records import StackError


def test_every_shape_is_measured_once():
    shapes = [(case.frames, case.size) for case in scaling_cases("medium", 0)]
    assert len(shapes) == len(set(shapes)) == len(FRAME_COUNTS) + len(SIZES) - 1
    assert (FRAMES, SIZE) in shapes


def test_seconds_and_memory_of_a_process():
    scaling = Scaling(["--pipeline", "classical"], threads=1, peers=("winner",))
    found = scaling.measure(Case("camera", "low", 0, 4, 64))
    for seconds, peak in ((found["seconds"], found["peak"]), found["peers"]["winner"]):
        assert 0.2 < seconds < 60
        assert peak > 100e6


def test_failure_is_told():
    with pytest.raises(StackError, match="expected one of"):
        Scaling(["--pipeline", "none"], threads=1).measure(Case("camera", "low", 0, 4, 64))
