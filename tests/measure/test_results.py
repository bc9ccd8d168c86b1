"""Results are kept after every stack and are not measured twice."""

from __future__ import annotations

import json

import pytest

from burst.files.write import read_json
from burst.measure.results import Results
from burst.measure.stacks import Case

CASES = [Case(image, "low", 0, 2, 64) for image in ("a", "b", "c")]


@pytest.fixture
def measure(tmp_path):
    """Return a function that measures all cases and says which it had to do."""

    def call(settings="", fail_at=None, networks=""):
        done = []

        def one(case):
            if case.image == fail_at:
                raise KeyboardInterrupt
            done.append(case.image)
            return {"figure": case.image * 2}

        results = Results(tmp_path / "toy.json", "toy", settings, 1, networks)
        try:
            results.measure(CASES, one, lambda message: None)
        except KeyboardInterrupt:
            done.append("interrupted")
        return done

    return call


def test_what_is_known_is_not_measured_again(measure):
    assert measure() == ["a", "b", "c"]
    assert measure() == []


def test_an_interrupted_suite_goes_on(measure):
    assert measure(fail_at="c") == ["a", "b", "interrupted"]
    assert measure() == ["c"]


def test_other_settings_are_measured_again(measure):
    measure()
    assert measure("other") == ["a", "b", "c"]


def test_other_networks_are_measured_again(measure):
    measure(networks="high 0123")
    assert measure(networks="high 0123") == []
    assert measure(networks="high 4567") == ["a", "b", "c"]


def test_file_tells_machine_and_cases(measure, tmp_path):
    measure()
    content = json.loads((tmp_path / "toy.json").read_text())
    assert content["machine"]["threads"] == 1
    assert [r["case"]["image"] for r in content["records"]] == ["a", "b", "c"]
    assert [r["figure"] for r in content["records"]] == ["aa", "bb", "cc"]


def test_damaged_file_counts_as_nothing(tmp_path):
    (tmp_path / "toy.json").write_text("{")
    assert read_json(tmp_path / "toy.json") == {}
