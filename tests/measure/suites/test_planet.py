"""Planets are measured beside plain means and PlanetarySystemStacker."""

from functools import lru_cache

import pytest

from burst.measure.results import Record
from burst.measure.suite import Options, find_suite
from burst.measure.suites.planet import Recorded
from burst.settings import ConfigError

OPTIONS = Options(frames=16, size=128)


@lru_cache(maxsize=2)
def measured(kind: str) -> Record:
    """Return the figures of a small recording."""
    case = Recorded(kind, 16, 128, 0)
    return {"case": {"kind": kind}, **find_suite("planet").measure(OPTIONS)(case)}


@pytest.mark.parametrize("kind", ["drifts", "moon"])
def test_our_image_is_better_than_the_means(kind):
    methods = measured(kind)["methods"]
    assert methods["burst"]["psnr"] > methods["mean"]["psnr"]
    assert methods["burst"]["seconds"] > 0
    assert find_suite("planet").finish(OPTIONS, [measured(kind)]) == []


def test_programs_that_are_not_installed_are_said_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("BURST_PSS", str(tmp_path))
    table = find_suite("planet").tables([measured.__wrapped__("drifts")])
    assert "| drifts: burst |" in table
    assert "| drifts: pss | not installed |" in table


def test_what_is_worse_than_allowed_is_told():
    worse = {"mean": {"psnr": 30.0}, "mean of the best tenth": {"psnr": 20.0}}
    record = {"case": {"kind": "at rest"}, "methods": {
        **worse, "burst": {"psnr": 28.0, "overshoot": 4.0}}}  # fmt: skip
    still = {"case": {"kind": "drifts"}, "methods": {
        **worse, "burst": {"psnr": 25.0, "overshoot": 1.0}}}  # fmt: skip
    doubts = find_suite("planet").finish(OPTIONS, [record, still])
    assert "at rest: the limb overshoots by 4.0 %" in doubts
    assert "at rest: 2.00 dB worse than the mean" in doubts
    assert "drift costs 3.00 dB" in doubts


def test_every_recording_is_a_case_and_planets_have_their_pipeline():
    suite = find_suite("planet")
    assert len(suite.cases(OPTIONS)) == 6
    assert "track" in suite.settings(OPTIONS)
    with pytest.raises(ConfigError, match="expected a pipeline that tracks"):
        suite.settings(Options(pipeline="classical"))
