"""`burst bench` measures, keeps raw numbers, and writes the page."""

from __future__ import annotations

import json

import pytest

from burst.__main__ import main

SMALL = ["--frames", "6", "--size", "64", "--per-level", "1", "--targets", "0", "--threads", "1"]


def bench(folder, *words):
    """Run `burst bench` on small stacks with its results in a folder; return the exit code."""
    return main(["bench", "--out", str(folder), *SMALL, *map(str, words)])


def test_stages_are_measured_once_and_shown(tmp_path, capsys):
    words = ("--suite", "stages", "--levels", "low", "medium")
    assert bench(tmp_path, *words) == 0
    first = capsys.readouterr()
    assert "| mean (least to most) | low | medium |" in first.out
    assert len(json.loads((tmp_path / "stages.json").read_text())["records"]) == 2
    assert bench(tmp_path, *words) == 0
    assert "(known)" in capsys.readouterr().err


def test_page_is_written(tmp_path):
    page = tmp_path / "docs" / "page.md"
    assert bench(tmp_path, "--suite", "stages", "--levels", "low", "--write", page) == 0
    assert "## Every stage against the truth" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "stages", "--size", "20"], "expected at least 64 pixels"),
        (["--suite", "sharpness", "--size", "160"], "expected at least 184 pixels"),
        (["--suite", "stages", "--record"], "expected --suite quick"),
        (["--suite", "stages", "--set", "selct.keep=1"], "Did you mean 'select'?"),
    ],
)
def test_wrong_settings_are_explained(tmp_path, capsys, words, message):
    assert bench(tmp_path, *words) == 2
    assert message in capsys.readouterr().err


def test_folder_without_images_is_explained(tmp_path, capsys):
    assert bench(tmp_path, "--suite", "stages", "--images", tmp_path) == 3
    assert "expected a folder with images" in capsys.readouterr().err
