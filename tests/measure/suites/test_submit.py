"""A whole submission is timed, checked, and its bits are read."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from toys import CHALLENGE

from burst.measure.stacks import draw_scene
from burst.measure.suite import find_suite
from burst.measure.suites.submit import LEVELS, Submission, bits_right, measure, submissions
from burst.records import StackError


@pytest.fixture
def entry(tmp_path):
    """Return a challenge of one tiny stack a level, one at a time."""
    file = tmp_path / "tiny.toml"
    file.write_text(CHALLENGE.format(folders=json.dumps(LEVELS), size=96))
    return Submission(str(file), per_level=1, jobs=1, frames=6, size=96, seed=0)


def test_folder_becomes_a_checked_zip(entry):
    found = measure(["--pipeline", "classical"], entry)
    assert found["seconds"] > 0.5
    assert found["peak"] is None or found["peak"] > 100e6
    assert list(found["bits"]) == list(LEVELS)
    assert 0.7 < found["bits"]["low"] <= 1


def test_wrong_count_is_told(entry):
    wrong = Submission(entry.challenge, per_level=2, jobs=1, frames=2, size=64, seed=0)
    with pytest.raises(StackError, match="expected 4 stacks, found 8"):
        measure(["--pipeline", "classical"], wrong)


def test_bits_are_read_from_the_images_of_the_zip(tmp_path):
    entry = Submission("any", per_level=2, jobs=1, frames=2, size=271, seed=0)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for place, case in entry.cases().items():
            scene, _ = draw_scene(case)
            image = 1 - scene if case.level == "high" else scene
            with archive.open(f"{place.split('/')[1][:-4]}_out.npy", "w") as file:
                np.save(file, (image.numpy() * 4095).astype(np.uint16))
    found = bits_right(path, entry)
    assert found["high"] < 0.6
    assert all(found[level] == 1 for level in ("low", "medium", "very-high"))


def test_final_has_192_stacks():
    cases = submissions(0)[-1].cases()
    assert len(cases) == 192
    assert len({case.label for case in cases.values()}) == 48


def test_table():
    record = {
        "case": {"challenge": "ug2-dry-run", "per_level": 8, "jobs": 2},
        "seconds": 64.0, "peak": 2**30, "bits": {"low": 1.0, "high": 0.9},
    }  # fmt: skip
    row = find_suite("submit").tables([record]).splitlines()[-1]
    assert row == (
        "| ug2-dry-run: 16 stacks, 2 at a time | 64 | 15.0 | 1024 | 100.00 % | 90.00 % |"
    )
