"""The default pipeline is as good as it was when its figures were recorded."""

from __future__ import annotations

import json

import pytest

from burst.measure.suite import Options
from burst.measure.suites import quick
from burst.pipeline import load


def records(**psnr):
    return [{"case": {"level": level}, "psnr": value} for level, value in psnr.items()]


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Record 30 dB at level low and 20 dB at high."""
    monkeypatch.setattr(quick, "RECORDED", tmp_path / "quick.json")
    quick.SUITE.finish(Options(record=True), records(low=30.0, high=20.0))
    return tmp_path / "quick.json"


def test_a_drop_is_found(recorded):
    doubts = quick.SUITE.finish(Options(), records(low=29.7, high=19.9))
    assert doubts == ["low is 0.30 dB below its recorded figure"]


def test_figures_are_recorded_by_level(recorded):
    assert json.loads(recorded.read_text()) == {"low": 30.0, "high": 20.0}


def test_psnr_has_not_dropped():
    pipeline = load("turbulence")
    measured = [
        {"case": {"level": case.level}, **quick.measure_quick(pipeline, case)}
        for case in quick.quick_cases()
    ]
    assert quick.SUITE.finish(Options(), measured) == []
