"""Charts through the pipeline: every method has its MTF50, between the plain mean and the truth."""

from __future__ import annotations

import pytest

from burst.data.charts import CHARTS, EDGES, STAR
from burst.measure.suite import Options
from burst.measure.suites.sharpness import SUITE, TRUTH, measure
from burst.measure.tables import MEAN
from burst.pipeline import load


@pytest.fixture(scope="module")
def records():
    options = Options(levels=("low",), per_level=1, frames=16, size=192)
    pipeline = load("classical")
    return [{"case": vars(case), **measure(pipeline, case)} for case in SUITE.cases(options)]


def test_every_chart_is_seen_through_every_air():
    cases = SUITE.cases(Options(levels=("low", "high"), per_level=3, seed=5))
    assert len(cases) == len({(c.image, c.level, c.seed) for c in cases}) == 12
    assert {c.image for c in cases} == set(CHARTS)
    assert {c.seed for c in cases} == {5, 6, 7}


@pytest.mark.parametrize("chart", [EDGES, STAR])
def test_restored_chart_is_sharper_than_the_mean(records, chart):
    methods = next(r["methods"] for r in records if r["case"]["image"] == chart)
    assert methods[MEAN]["mtf50"] < methods["burst"]["mtf50"]
    assert methods[TRUTH]["peak"] == pytest.approx(1, abs=0.05)


def test_table_has_a_row_for_every_method(records):
    text = SUITE.tables(records)
    assert text.count("| burst |") == text.count("| truth |") == len(CHARTS)
    assert f"| {EDGES}: MTF50 (peak) | low |" in text
