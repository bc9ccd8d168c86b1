from __future__ import annotations

from typing import Any

import pytest

from burst.records import Burst, Entry, Provenance, Report, Stack
from burst.report.summary import summarise
from burst.report.words import facts, number_text, sensor_rows, table_rows, value_text


def test_the_facts_of_a_full_run(burst: Burst, provenance: Provenance) -> None:
    assert dict(facts(summarise(burst, provenance, []))) == {
        "Frames": "4 of 8 kept",
        "Size": "48 \N{MULTIPLICATION SIGN} 40 px",
        "Noise at mid grey": "0.80% of white",
        "Defects of the sensor": "3 pixels, 1 row",
        "Displacement": "1.00 px rms",
        "Turbulence D/r0": "2.90",
        "PSF width (std)": "1.50 px",
        "Effective frames": "4",
        "Time": "4.0 s",
    }


def test_unknown_facts_are_left_out(stack: Stack, provenance: Provenance) -> None:
    known = dict(facts(summarise(Burst(stack), provenance, [])))
    assert known == {"Frames": "8", "Size": "48 \N{MULTIPLICATION SIGN} 40 px", "Time": "0.0 s"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        ([], "none"),
        (True, "yes"),
        (3, "3"),
        (0.000123456, "0.0001235"),
        ("robust mean", "robust mean"),
        ([1.0, None, 2.5], "1, none, 2.5"),
        ([float(i) for i in range(10)], "10 values, 0 to 9"),
        ([[1, 2]] * 10, "10 values"),
    ],
)
def test_values_are_written_for_a_person(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_a_table_in_a_table_gets_one_row_per_value() -> None:
    assert table_rows({"curve": {"level": [1]}}) == [("curve.level", "1")]


def test_reasons_that_repeat_are_told_once() -> None:
    reasons = {"1": "blurred", "4": "blurred", "5": "blurred", "7": "cloud"}
    assert table_rows({"reasons": reasons}) == [("reasons", "blurred: 1, 4, 5; cloud: 7")]


def test_numbers_are_written_as_people_do() -> None:
    assert number_text(3.6e-5, 2) == "3.6 \N{MULTIPLICATION SIGN} 10⁻⁵"
    assert number_text(2.5) == "2.5"


def test_times_of_the_sensor_have_units(stack: Stack, provenance: Provenance) -> None:
    rows = dict(sensor_rows(summarise(Burst(stack), provenance, [])))
    assert rows["row time"] == "200 \N{MICRO SIGN}s"
    assert rows["frame time"] == "20 ms"
    assert rows["noise"] == "not told"


def test_the_shutter_that_was_unrolled_is_told(stack: Stack, provenance: Provenance) -> None:
    report = Report((Entry("unroll", 1.0, {"shutter": "dual_reversed"}, {"readout_ratio": 1.0}),))
    summary = summarise(Burst(stack, report=report), provenance, [])
    assert dict(facts(summary))["Shutter"] == "dual reversed"
    assert dict(facts(summary))["Readout"] == "the whole frame time"
    assert dict(sensor_rows(summary))["shutter"] == "rolling; unrolled as dual_reversed"
