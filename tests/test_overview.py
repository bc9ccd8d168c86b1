"""`burst report` over a small batch: every stack has its row, whatever became of it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from toys import write_pipeline, write_stack

from burst.__main__ import main
from burst.overview import nearest_level

pytestmark = pytest.mark.usefixtures("toy_stages")


@pytest.fixture
def out(tmp_path, capsys):
    """Restore two stacks, of which one has its truth, beside a broken one; return the folder."""
    for seed, name in enumerate(("known", "unknown")):
        write_stack(tmp_path / f"stacks/{name}.npy", seed, size=40)
    (tmp_path / "stacks/broken.npy").write_bytes(b"nothing")
    mean = np.load(tmp_path / "stacks/known.npy").mean(0) / 4095
    np.savez(tmp_path / "stacks/known.truth.npz", scene=np.roll(mean, 3, 1).astype(np.float32))
    folder = tmp_path / "out"
    words = [
        "--stack",
        tmp_path / "stacks",
        "--out",
        folder,
        "--pipeline",
        write_pipeline(tmp_path),
    ]
    assert main(["run", *map(str, words), "--device", "cpu"]) == 4
    capsys.readouterr()
    return folder


def report(folder):
    """Write the page and return it."""
    assert main(["report", str(folder), "--quiet"]) == 0
    return (folder / "overview.html").read_text("utf-8")


def test_every_stack_has_a_row(out, capsys):
    page = report(out)
    assert capsys.readouterr().out == f"{out / 'overview.html'}\n"
    assert re.findall(r'data-value="(\w+)"><a href="(.+?)"', page) == [
        ("known", "known/report.html#overview"),
        ("unknown", "unknown/report.html#overview"),
    ]
    assert re.search(r'data-value="broken">broken</th>\n<td class="failure".*found', page)


def test_psnr_of_instants_is_the_mean_that_the_report_states(out):
    path = out / "unknown/report.json"
    summary = json.loads(path.read_text("utf-8"))
    known = [
        {"instant": k / 2, "frame_psnr": 20.0, "psnr": psnr} for k, psnr in ((0, 30.0), (1, 35.0))
    ]
    summary["truth"] = [*known, {"instant": 1.0, "frame_psnr": 20.0, "psnr": None}]
    path.write_text(json.dumps(summary), "utf-8")
    assert "32.50 dB" in report(out)


def test_psnr_is_known_where_the_truth_is(out):
    page = report(out)
    assert len(re.findall(r'data-column="psnr" data-value="[\d.]+"', page)) == 1
    assert page.count('data-column="psnr" data-value=""') == 1


def test_pictures_are_made_once(out):
    page = report(out)
    pictures = {path: path.stat().st_mtime_ns for path in (out / "overview-pictures").iterdir()}
    assert len(pictures) == 4
    assert all(f'src="overview-pictures/{path.name}"' in page for path in pictures)
    report(out)
    assert pictures == {path: path.stat().st_mtime_ns for path in pictures}


def test_failed_stack_that_was_mended_has_failed_no_more(out, tmp_path, capsys):
    write_stack(tmp_path / "stacks/broken.npy")
    words = ["--stack", tmp_path / "stacks/broken.npy", "--out", out]
    main(["run", *map(str, words), "--pipeline", str(tmp_path / "toy.toml"), "--device", "cpu"])
    assert "failure" not in report(out).partition("<body>")[2]


def test_folder_without_results_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 3
    assert "expected results of `burst run`, found none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("noise", "d_over_r0", "name"), [(0.007, 1.5, "low"), (0.12, 6, "very-high")]
)
def test_level_is_the_nearest_in_noise_and_turbulence(noise, d_over_r0, name):
    blur = {"stage": "blur", "numbers": {"d_over_r0": d_over_r0}}
    summary = {"measured": {"level": {"noise": noise}}, "stages": [blur]}
    level = nearest_level(summary)
    assert level is not None
    assert level[1] == name
    assert nearest_level({**summary, "stages": []}) is None
