"""The page holds all suites that were measured, and comes out the same again."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from burst.measure.page import write_page
from burst.measure.results import describe_machine
from burst.measure.suites.submit import submissions


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the results of three suites."""
    case = {"image": "photos/a.png", "level": "low", "seed": 0, "frames": 100, "size": 271}
    method = {
        "psnr": 20.0, "psnr_without_warp": 21.0, "ssim": 0.5, "mtf50": 0.2,
        "seconds": 1.0, "peak": None,
    }  # fmt: skip
    methods = dict.fromkeys(("mean", "burst"), method)
    methods["oracle"] = {**method, "psnr": 25.0, "psnr_without_warp": 26.0}
    suites = {
        "synthetic": [{"case": case, "methods": methods, "stages": {"rank": 0.9}}],
        "scaling": [{"case": case, "seconds": 9.0, "processor": 9.0, "peak": 2**30}],
        "submit": [
            {"case": asdict(submissions(0)[0]), "seconds": 60, "peak": 0, "bits": {"low": 1.0}}
        ],
    }
    for suite, records in suites.items():
        content = {
            "suite": suite,
            "machine": describe_machine(2),
            "settings": "",
            "records": records,
        }
        (tmp_path / f"{suite}.json").write_text(json.dumps(content))
    return tmp_path


def test_page_holds_what_was_measured(folder):
    write_page(folder / "page.md", folder)
    text = (folder / "page.md").read_text("utf-8")
    assert "## Simulated stacks" in text
    assert "1 stacks of 100 x 271 x 271 from photos, seed 0." in text
    assert "| select, rank correlation of sharpness | 0.90 (0.90 to 0.90) |" in text
    assert "| ug2-dry-run: 8 stacks, 1 at a time | 60 | 8.0 | 0 | 100.00 % |" in text
    assert "## What each stage is worth" not in text


def test_cases_without_a_seed_are_not_described(folder):
    path = folder / "scaling.json"
    content = json.loads(path.read_text())
    content["records"][0]["case"].pop("seed")
    path.write_text(json.dumps(content))
    write_page(folder / "page.md", folder)
    assert "## Simulated stacks" in (folder / "page.md").read_text("utf-8")


@pytest.mark.parametrize("suite", ["synthetic", "scaling"])
def test_plots_stand_beside_the_page_and_repeat_themselves(folder, suite):
    plot = folder / f"page-{suite}.svg"
    write_page(folder / "page.md", folder)
    first = plot.read_bytes()
    write_page(folder / "page.md", folder)
    assert first.startswith(b"<?xml")
    assert plot.read_bytes() == first
    assert f"({plot.name})" in (folder / "page.md").read_text("utf-8")
