"""The shutter suite scores every truth of every sequence, ours beside a plain solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rolled import recording

from burst.__main__ import main
from burst.files.layouts.written import write_sequence
from burst.measure.rolling import (
    BASELINE,
    OURS,
    UNTOUCHED,
    Moment,
    ShutterBench,
    constant_velocity,
    figures,
    moments_in,
)
from burst.measure.tables import tables
from burst.pipeline import load
from burst.records import Shutter, StackError


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one rolling sequence of three frames and nine truths of each."""
    write_sequence(tmp_path / "sets/pan", recording(frames=3))
    return str(tmp_path / "sets")


def test_every_truth_is_a_moment(folder):
    assert moments_in([folder])[-1] == Moment(folder, "pan", 26)


def test_a_folder_without_truths_is_told(tmp_path):
    empty = replace(
        recording(), truths=np.zeros(0), truth_frame=np.zeros(0), truth_share=np.zeros(0)
    )
    write_sequence(tmp_path / "pan", empty)
    with pytest.raises(StackError, match="sequences with truths"):
        moments_in([str(tmp_path)])


def test_both_solvers_are_better_than_the_frame(folder):
    record = ShutterBench(load).measure(Moment(folder, "pan", 13))
    inside = {name: found["psnr_inside"] for name, found in record["methods"].items()}
    assert inside[BASELINE] > inside[UNTOUCHED] + 4
    assert inside[OURS] > inside[BASELINE]
    text = tables("shutter", [{**record, "case": {"sequence": "pan"}}])
    assert "### At the time of the middle row: 1 images" in text
    assert "| pan | 0.8 | 1 |" in text


def test_a_dual_reversed_pair_has_no_neighbour_to_flow_to(tmp_path):
    write_sequence(tmp_path / "pair", recording(Shutter.DUAL_REVERSED))
    record = ShutterBench(load).measure(Moment(str(tmp_path), "pair", 4))
    assert set(record["methods"]) == {OURS, UNTOUCHED}


def test_the_plain_solver_is_given_colour_too():
    stack = recording().luminance()
    grey = constant_velocity(stack, 0, 0.5)
    coloured = replace(stack, colour=np.repeat(stack.frames[..., None], 3, axis=-1))
    torch.testing.assert_close(constant_velocity(coloured, 0, 0.5)[1], grey)


def test_figures_follow_the_conventions():
    whole = recording()
    mask = np.ones((1, 128, 160), bool)
    mask[:, :, :80] = False
    one = replace(
        whole,
        truths=whole.truths[:1],
        truth_frame=whole.truth_frame[:1],
        truth_share=whole.truth_share[:1],
        masks=mask,
    )
    image = torch.from_numpy(one.truths[0] / 255).float()
    image[:, 40:80] += torch.where(image[:, 40:80] > 0.5, -0.1, 0.1)
    image[:10, 80:] = 1 - image[:10, 80:]
    found = figures(image, one)
    assert found["psnr_bottom"] == pytest.approx(26.02, abs=0.01)  # a quarter off by 0.1
    assert found["psnr_masked"] < found["psnr_inside"] < 27
    assert found["mse"] == pytest.approx(255**2 * 10 ** (-found["psnr"] / 10), rel=1e-4)


def test_the_suite_is_run_and_written(tmp_path, capsys):
    whole, last = recording(), slice(8, 9)
    one = replace(
        whole,
        truths=whole.truths[last],
        truth_frame=whole.truth_frame[last],
        truth_share=whole.truth_share[last],
    )
    write_sequence(tmp_path / "sets/pan", one)
    folder = str(tmp_path / "sets")
    page = tmp_path / "page.md"
    words = ["bench", "--suite", "shutter", "--images", folder, "--out", str(tmp_path / "out")]
    assert main([*words, "--write", str(page), "--threads", "1", "--quiet"]) == 0
    assert "At the time of the last row" in capsys.readouterr().out
    assert "## Rolling shutters" in page.read_text("utf-8")


def test_the_suite_needs_folders(tmp_path, capsys):
    assert main(["bench", "--suite", "shutter", "--out", str(tmp_path)]) == 2
    assert "Pass --images" in capsys.readouterr().err
