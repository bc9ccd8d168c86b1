from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from burst.records import Burst, Provenance, Report, Stack
from burst.report.write import write_report

SIZE_LIMIT = 3_000_000  # bytes of a page that is still quick to open and to send


def test_both_files_are_written_and_nothing_else(
    tmp_path: Path, burst: Burst, provenance: Provenance
) -> None:
    paths = write_report(tmp_path / "new", burst, provenance)
    assert [p.name for p in paths] == ["report.json", "report.html"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["report.html", "report.json"]


def test_the_images_beside_the_report_are_named_in_it(
    tmp_path: Path, burst: Burst, provenance: Provenance
) -> None:
    (tmp_path / "restored.npy").touch()
    path, _ = write_report(tmp_path, burst, provenance)
    assert json.loads(path.read_text())["outputs"] == ["report.html", "report.json", "restored.npy"]


def test_the_same_burst_gives_the_same_bytes(
    tmp_path: Path, burst: Burst, provenance: Provenance
) -> None:
    once = [p.read_bytes() for p in write_report(tmp_path / "a", burst, provenance)]
    again = [p.read_bytes() for p in write_report(tmp_path / "b", burst, provenance)]
    assert once == again


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, burst: Burst, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.json").write_text("old")

    def refuse(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_report(tmp_path, burst, provenance)
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "old"


@pytest.mark.parametrize(
    "unknown",
    [
        ("image",),
        ("image", "merged"),
        ("image", "merged", "psf", "row_motion"),
        ("image", "merged", "psf", "row_motion", "flow", "level"),
        ("weights",),
        ("noise",),
        ("linear",),
    ],
    ids="+".join,
)
def test_a_run_that_stopped_early_has_fewer_sections(
    tmp_path: Path, burst: Burst, provenance: Provenance, unknown: tuple[str, ...]
) -> None:
    nothing: dict[str, Any] = dict.fromkeys(unknown)
    partial = replace(burst, **nothing, report=Report(burst.report.entries[:1]))
    page = write_report(tmp_path, partial, provenance)[1].read_text("utf-8")
    assert page.endswith("</html>")
    assert page.count('role="img"') < 7


def test_a_stack_of_which_nothing_is_known_shows_its_first_frame(
    tmp_path: Path, stack: Stack, provenance: Provenance
) -> None:
    page = write_report(tmp_path, Burst(stack), provenance)[1].read_text()
    assert "First frame" in page
    assert 'type="range"' not in page


def test_a_large_stack_gives_a_page_under_3_mb(
    tmp_path: Path, burst: Burst, provenance: Provenance
) -> None:
    assert burst.linear is not None
    large = burst.linear[:2].repeat(1, 30, 25)  # noise, which no format compresses well
    mean = large.mean(0)
    big = replace(burst, linear=large, merged=mean, image=mean)
    assert write_report(tmp_path, big, provenance)[1].stat().st_size < SIZE_LIMIT
