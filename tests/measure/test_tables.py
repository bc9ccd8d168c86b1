"""Tables show the figures that were measured."""

from __future__ import annotations

import math

import pytest

from burst.measure.suite import find_suite
from burst.measure.tables import gap_closed, markdown, mean, row_each


def figures(psnr, **more):
    """Return the figures of a method that scores `psnr`."""
    known = {
        "psnr": psnr,
        "psnr_without_warp": psnr + 1,
        "ssim": 0.8,
        "mtf50": 0.2,
        "seconds": 2.0,
        "peak": 2**20,
    }
    return {**known, **more}


@pytest.fixture
def records():
    """Return two stacks on which ours closes three quarters of the gap."""
    methods = {"mean": figures(20.0), "burst": figures(26.0), "oracle": figures(28.0)}
    case = {"image": "a.png", "level": "low", "seed": 0, "frames": 100, "size": 271}
    return [{"case": case, "methods": methods}] * 2


def test_gap_is_between_mean_and_oracle(records):
    assert gap_closed(records, "mean") == 0
    assert gap_closed(records, "burst") == pytest.approx(75)
    assert gap_closed(records, "oracle") == 100


def test_score_table_has_a_row_for_each_method(records):
    text = find_suite("synthetic").tables(records)
    assert "### low: 2 images" in text
    assert "| burst | 26.00 | 75 % | 27.00 | 75 % | 0.800 | 0.200 | - | 2.0 | 1 |" in text
    sure = {**records[0]["methods"], "burst": {**figures(26.0), "within": 0.91}}
    text = find_suite("synthetic").tables([{**records[0], "methods": sure}])
    assert "| 0.200 | 91 % | 2.0 | 1 |" in text


def test_coded_targets_get_their_own_table(records):
    bits = {"bits": 0.9, "auc": [None, 0.75], "diameters": [100.0, 3.1]}
    methods = {name: {**f, **bits} for name, f in records[0]["methods"].items()}
    text = find_suite("synthetic").tables([*records, {**records[0], "methods": methods}])
    head = "| method | PSNR dB | bits right | wrong bits flagged (AUC) | AUC 100 px | AUC 3.1 px |"
    assert head in text
    assert "| burst | 26.00 | 90.0 % | - | - | 0.75 |" in text


def test_a_method_that_failed_is_named_and_left_out_of_the_means(records):
    lucky = {**records[0]["methods"], "pss": figures(24.0)}
    failed = {**records[0]["methods"], "pss": {"failed": "no stars"}}
    text = find_suite("synthetic").tables([{**records[0], "methods": m} for m in (lucky, failed)])
    assert "| pss (1 failed) | 24.00 | 50 % |" in text


def test_scaling_tells_cost_by_pixel():
    record = {
        "case": {"frames": 100, "size": 100},
        "seconds": 1.0,
        "processor": 1.0,
        "peak": 512 * 2**20,
    }
    found = find_suite("scaling").tables([record])
    assert "| 100 | 100 x 100 | 1.0 | 1.0 | 100 | 1000 | 512 |" in found
    record["peers"] = {"winner": {"processor": 2.0, "peak": 2**20}}
    text = find_suite("scaling").tables([record])
    assert "| 100 | 100 x 100 | 1.0 | 1.0 | 100 | 1000 | 512 | 2.0 | 0.50 | 1 |" in text


def test_nothing_measured_is_said():
    assert find_suite("stages").tables([]) == "Nothing measured."


def test_first_column_is_text():
    assert markdown(["a", "b"], [["c", "1"]]) == "| a | b |\n| --- | --: |\n| c | 1 |"


def test_cells_are_formats_of_a_record():
    records = [{"case": {"frames": 3}, "psnr": 30.26}, {"case": {"frames": 4}, "psnr": 31.0}]
    lines = row_each(records, (("frames", "{case[frames]}"), ("dB", "{psnr:.1f}"))).splitlines()
    assert lines[0] == "| frames | dB |"
    assert lines[2:] == ["| 3 | 30.3 |", "| 4 | 31.0 |"]


def test_unknown_values_have_no_part_in_a_mean():
    assert mean([1.0, None, 3.0]) == 2.0
    assert math.isnan(mean([None]))
