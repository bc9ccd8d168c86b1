"""Recordings drawn like samples hold the networks of shutters against their geometry."""

from __future__ import annotations

import pytest
from rolled import without_network

from burst.measure.rolling import UNTOUCHED, ShutterBench
from burst.measure.suite import Options, find_suite
from burst.measure.suites import drawn as suite
from burst.measure.suites.drawn import LEVELS, SETS, DrawnRecording
from burst.measure.tables import CLASSICAL, OURS
from burst.records import Shutter


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(suite, "SIZE", 128)


def test_every_image_is_recorded_in_every_set():
    cases = suite.SUITE.cases(Options(per_level=2, seed=3))
    assert len(cases) == 2 * len(LEVELS) * len(SETS)
    assert {case.seed for case in cases} == {3}


@pytest.mark.parametrize(
    ("name", "shutter"),
    [
        ("rolling, sharp", Shutter.ROLLING),
        ("global reset", Shutter.GLOBAL_RESET),
        ("dual reversed", Shutter.DUAL_REVERSED),
    ],
)
def test_a_recording_has_its_shutter_and_one_truth(name, shutter):
    recorded = DrawnRecording(name, "astronaut", "low", 0).read()
    again = DrawnRecording(name, "astronaut", "low", 0).read()
    assert recorded.sensor.shutter is shutter
    assert recorded.truths.shape == (1, 128, 128)
    assert (recorded.frames == again.frames).all()


def test_blur_is_told():
    blurred = DrawnRecording("rolling, blurred", "astronaut", "low", 0).read().sensor
    assert blurred.exposure_time == pytest.approx(0.35 * blurred.frame_time)
    assert DrawnRecording("rolling, sharp", "astronaut", "low", 0).read().sensor.exposure_time == 0


def test_gains_are_told_by_set():
    record = ShutterBench(without_network).measure(
        DrawnRecording("rolling, sharp", "astronaut", "low", 0)
    )
    psnr = {name: found["psnr"] for name, found in record["methods"].items()}
    assert psnr[OURS] == psnr[CLASSICAL] > psnr[UNTOUCHED]
    text = find_suite("drawn").tables(
        [{**record, "case": {"set": "rolling, sharp", "level": "low"}}]
    )
    assert "### rolling, sharp: 1 images" in text
    assert "| rolling, sharp | +0.00 | +0.00 | +0.00 | +0.00 | +0.00 | 0 of 1 |" in text


def test_the_median_of_an_even_number_lies_between_two():
    figures = dict.fromkeys(("psnr_inside", "ssim", "mse", "row_displacement", "seconds"), 1.0)
    records = [
        {
            "case": {"set": "global reset", "level": level},
            "methods": {
                OURS: {"psnr": 30.0 + gain, **figures},
                CLASSICAL: {"psnr": 30.0, **figures},
            },
        }
        for level, gain in (("low", -1.0), ("low", 1.0), ("high", 2.0), ("high", 6.0))
    ]
    lines = find_suite("drawn").tables(records).splitlines()
    assert lines[-3].startswith("| set | mean, dB | low | high | median |")
    assert lines[-1] == "| global reset | +2.00 | +0.00 | +4.00 | +1.50 | -1.00 | +6.00 | 1 of 4 |"
