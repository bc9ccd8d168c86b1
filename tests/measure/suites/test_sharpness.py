"""Charts through the pipeline: every method has its MTF50, between the plain mean and the truth."""

from __future__ import annotations

import pytest

from burst.data.charts import CHARTS, EDGES, STAR
from burst.measure.suite import find_suite
from burst.measure.suites.sharpness import TRUTH, SharpnessBench, chart_cases
from burst.measure.tables import MEAN
from burst.pipeline import load


@pytest.fixture(scope="module")
def records():
    bench = SharpnessBench(load("classical"))
    cases = chart_cases(("low",), 1, seed=0, frames=16, size=192)
    return [{"case": vars(case), **bench.measure(case)} for case in cases]


def test_every_chart_is_seen_through_every_air():
    cases = chart_cases(("low", "high"), 3, seed=5, frames=16, size=192)
    assert len(cases) == len({(c.image, c.level, c.seed) for c in cases}) == 12
    assert {c.image for c in cases} == set(CHARTS)
    assert {c.seed for c in cases} == {5, 6, 7}


@pytest.mark.parametrize("chart", [EDGES, STAR])
def test_restored_chart_is_sharper_than_the_mean(records, chart):
    methods = next(r["methods"] for r in records if r["case"]["image"] == chart)
    assert methods[MEAN]["mtf50"] < methods["burst"]["mtf50"]
    assert methods[TRUTH]["peak"] == pytest.approx(1, abs=0.05)


def test_table_has_a_row_for_every_method(records):
    text = find_suite("sharpness").tables(records)
    assert text.count("| burst |") == text.count("| truth |") == len(CHARTS)
    assert f"| {EDGES}: MTF50 (peak) | low |" in text
