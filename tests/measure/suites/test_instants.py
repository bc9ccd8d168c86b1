"""Simulated recordings tell how good every instant is, and whether readout and offset are found."""

from __future__ import annotations

import numpy as np
import pytest

from burst.__main__ import main
from burst.measure.rolling import UNTOUCHED
from burst.measure.suite import Options, find_suite
from burst.measure.suites import instants
from burst.measure.suites.instants import InstantBench, InstantRecording
from burst.measure.tables import OURS
from burst.pipeline import load


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(instants, "SIZE", 128)


def measured(shutter: str, ratio: float):
    recording = InstantRecording("astronaut", shutter, ratio, seed=0)
    case = {"image": "astronaut", "shutter": shutter, "ratio": ratio, "seed": 0}
    return {"case": case, **InstantBench(load).measure(recording)}


def test_an_image_is_recorded_at_every_ratio_and_by_a_pair():
    assert [r.kind for r in find_suite("instants").cases(Options(per_level=1))] == [
        "rolling 0.4", "rolling 0.7", "rolling 1", "rolling 0.4, 0.3 px of shake",
        "rolling 0.7, 0.3 px of shake", "rolling 1, 0.3 px of shake", "dual_reversed 1",
    ]  # fmt: skip


def test_a_shaken_camera_is_elsewhere():
    calm, shaken = (InstantRecording("astronaut", "rolling", 0.7, 0, shake) for shake in (0.0, 1.0))
    assert np.abs(calm.simulate().frames - 1.0 * shaken.simulate().frames).mean() > 20


def test_nine_instants_and_the_readout_of_a_rolling_shutter():
    record = measured("rolling", 0.7)
    gained = np.subtract(record[OURS], record[UNTOUCHED])
    assert len(gained) == 9
    assert gained.min() > 5
    assert record["readout"] == pytest.approx(0.7, rel=0.03)
    assert record["range"][0] <= 0.7 <= record["range"][1]
    text = find_suite("instants").tables([record])
    assert "| rolling 0.7 | 1 | burst |" in text
    assert "| rolling 0.7 | 1 | 1 | 1 |" in text


def test_the_offset_of_a_pair_is_found():
    record = measured("dual_reversed", 1.0)
    assert np.subtract(record[OURS], record[UNTOUCHED]).min() > 5
    assert record["offset_error"] < 0.5


def test_a_readout_that_nothing_tells_is_no_figure(monkeypatch):
    monkeypatch.setattr(instants, "FRAMES", 4)
    record = measured("rolling", 0.4)
    assert record["readout"] is None
    assert "| rolling 0.4 | 1 | 0 | 0 | none | none | 0 |" in find_suite("instants").tables(
        [record]
    )


def test_settings_are_checked_before_anything_is_simulated(capsys):
    assert main(["bench", "--suite", "instants", "--set", "unroll.ordre=1"]) == 2
    assert "Did you mean 'order'?" in capsys.readouterr().err


def test_a_ratio_that_is_set_is_not_told_where_it_is_to_be_found():
    recording = InstantRecording("astronaut", "rolling", 0.7, seed=0)
    record = InstantBench(load, ("unroll.readout_ratio=0.7",)).measure(recording)
    assert record["readout"] == pytest.approx(0.7, rel=0.03)
