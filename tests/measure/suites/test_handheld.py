"""Bursts taken by hand: every kind has its figures, and burst leads."""

from __future__ import annotations

import pytest

from burst.data.charts import EDGES
from burst.measure.suite import Options, find_suite
from burst.measure.suites.handheld import (
    FINER,
    MEAN,
    ONE,
    OURS,
    WALKER,
    ZONE,
    HandheldCase,
    measure,
)
from burst.pipeline import load


@pytest.fixture(scope="module")
def records():
    cases = [
        HandheldCase("coffee", 3200, 6, 130, 0),
        HandheldCase(EDGES, 3200, 6, 150, 0, EDGES),
        HandheldCase("coffee", 3200, 6, 130, 0, WALKER),
    ]
    return [{"case": vars(case), **measure(load("handheld"), case)} for case in cases]


def test_every_kind_and_noise_is_measured():
    cases = find_suite("handheld").cases(Options(levels=("low", "high"), frames=15))
    assert {case.iso for case in cases} == {100, 3200}
    assert {case.frames for case in cases} == {5, 15}
    assert len({case.name for case in cases}) == len(cases)


def test_burst_leads(records):
    colours, edges, walker = (record["methods"] for record in records)
    assert colours[OURS]["cpsnr"] > colours[MEAN]["cpsnr"]
    assert edges[FINER]["mtf50"] > edges[OURS]["mtf50"] > edges[MEAN]["mtf50"]
    assert walker[OURS]["ghost"] < 5 < walker[MEAN]["ghost"]


def test_the_table_has_a_row_for_every_method(records):
    text = find_suite("handheld").tables(records)
    assert text.count(f"| {OURS} |") == 7
    assert "| walker: ghost | ISO 3200, 6 |" in text


def test_fine_detail_is_kept():
    zone, edges = (
        measure(load("handheld"), HandheldCase(kind, 100, 10, 150, 0, kind))["methods"]
        for kind in (ZONE, EDGES)
    )
    assert zone[OURS]["cpsnr"] > max(zone[ONE]["cpsnr"], zone[MEAN]["cpsnr"])
    assert edges[FINER]["mtf50"] > 1.25 * edges[ONE]["mtf50"]
    assert edges[OURS]["cpsnr"] > edges[MEAN]["cpsnr"]
