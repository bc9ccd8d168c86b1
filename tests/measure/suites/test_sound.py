"""The suite of trouble: what is spoilt, what it is held against, and the table."""

from __future__ import annotations

import numpy as np
import pytest

from burst.data.defects import DEFECTS
from burst.data.faults import FAULTS
from burst.measure.suite import Options
from burst.measure.suites.sound import (
    PATHS,
    SUITE,
    THINGS,
    DisturbedStack,
    disturbed,
    measure,
    undisturbed,
)
from burst.pipeline import load


def trouble(part: str, what: str, frames: int = 12, size: int = 96) -> DisturbedStack:
    """Return one trouble of a small stack."""
    return DisturbedStack(part, what, "camera", "low", 0, frames, size)


def test_every_trouble_is_tried_at_every_level():
    found = SUITE.cases(Options(levels=("low", "high"), per_level=1))
    assert {case.what for case in found} == {"none", *FAULTS, *DEFECTS, *PATHS, *THINGS}
    assert len(found) == 2 * len({case.what for case in found})


def test_the_reference_has_the_same_frames_without_the_bad_ones():
    stack, bad = disturbed(trouble("frames", "dark"))
    reference = undisturbed(trouble("frames", "dark"), bad)
    good = np.setdiff1d(np.arange(12), bad)
    assert len(bad) == 1
    assert np.array_equal(stack.frames[good], reference.frames)


@pytest.mark.parametrize(("part", "what"), [("none", "none"), ("frames", "dark")])
def test_what_is_lost_is_counted(part, what):
    record = measure(load("classical"), trouble(part, what))
    assert abs(record["loss"]) < 0.05
    assert record["bad_left_out"] == record["bad"]
    assert record["good_left_out"] == 0
    record["case"] = vars(trouble(part, what))
    assert f"| {what} |" in SUITE.tables([record])


def test_what_costs_too_much_is_told():
    rows = [("dark", 0.1), ("dark", 0.2), ("bird", 0.2), ("bird", 0.6), ("identical", 5.0)]
    records = [{"case": {"what": what}, "loss": loss} for what, loss in rows]
    assert SUITE.finish(Options(), records) == ["bird costs 0.40 dB"]


def test_a_camera_that_moved_is_scored_on_what_all_frames_show():
    case = trouble("camera", "drifted by half a frame", 16, 128)
    record = measure(load("classical"), case)
    assert record["size"][1] < 100
    assert record["psnr"] > record["mean_psnr"] + 8


def test_a_thing_that_moves_is_scored_inside_and_outside():
    case = trouble("things", "16 px, 1.0 px a frame", 16)
    record = measure(load("classical"), case)
    assert record["inside"] > record["mean_inside"]
    assert abs(record["loss"]) < 1.5
    assert record["overlap"] > 0.4
    record["case"] = vars(case)
    assert "mask, intersection over union" in SUITE.tables([record])
