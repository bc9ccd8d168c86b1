"""The shutter suite scores every truth of every sequence, ours beside a plain solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from rolled import recording, without_network

from burst.__main__ import main
from burst.files.layouts.simulated import write_sequence
from burst.measure.rolling import (
    BASELINE,
    UNTOUCHED,
    ShutterBench,
    constant_velocity,
    figures,
    row_displacement,
)
from burst.measure.suite import find_suite
from burst.measure.suites.shutter import SequenceTruth, truths_in
from burst.measure.tables import CLASSICAL, OURS
from burst.ops.color import display_to_linear, linear_to_display
from burst.pipeline import Pipeline
from burst.records import Shutter, StackError


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one rolling sequence of three frames and nine truths of each."""
    write_sequence(tmp_path / "sets/pan", recording(frames=3))
    return str(tmp_path / "sets")


def test_every_truth_is_a_moment(folder):
    assert truths_in([folder])[-1] == SequenceTruth(folder, "pan", 26)


def test_a_folder_without_truths_is_told(tmp_path):
    empty = replace(
        recording(), truths=np.zeros(0), truth_frame=np.zeros(0), truth_share=np.zeros(0)
    )
    write_sequence(tmp_path / "pan", empty)
    with pytest.raises(StackError, match="sequences with truths"):
        truths_in([str(tmp_path)])


def test_both_solvers_are_better_than_the_frame(folder):
    record = ShutterBench(without_network).measure(SequenceTruth(folder, "pan", 13))
    inside = {name: found["psnr_inside"] for name, found in record["methods"].items()}
    assert inside[BASELINE] > inside[UNTOUCHED] + 4
    assert inside[OURS] == inside[CLASSICAL] > inside[BASELINE]
    slanted, straight = (record["methods"][n]["row_displacement"] for n in (UNTOUCHED, OURS))
    assert straight < 0.5 < slanted
    text = find_suite("shutter").tables([{**record, "case": {"sequence": "pan"}}])
    assert "### At the time of the middle row: 1 images" in text
    assert "| pan | 0.8 | 1 |" in text


def test_a_dual_reversed_pair_has_no_neighbour_to_flow_to(tmp_path):
    write_sequence(tmp_path / "pair", recording(Shutter.DUAL_REVERSED))
    record = ShutterBench(without_network).measure(SequenceTruth(str(tmp_path), "pair", 4))
    assert set(record["methods"]) == {OURS, CLASSICAL, UNTOUCHED}


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


@pytest.fixture
def one():
    """Return a sequence of 12 bits above a black level, with one truth."""
    whole = recording()
    levels = {"black_level": 256.0, "white_level": 4095.0, "transfer": "linear"}
    return replace(
        whole,
        sensor=replace(whole.sensor, **levels),
        frames=(256 + 15 * whole.frames.astype(np.uint16)),
        truths=(256 + 15 * whole.truths[:1].astype(np.uint16)),
        truth_frame=whole.truth_frame[:1],
        truth_share=whole.truth_share[:1],
    )


def true_image(sequence):
    return torch.from_numpy((sequence.truths[0] - 256.0) / (4095 - 256)).float()


def test_the_truth_scores_as_the_truth_whatever_its_levels(one):
    found = figures(true_image(one), one)
    assert (found["psnr"], found["ssim"]) == (np.inf, pytest.approx(1))
    assert found["mse"] == 0


def test_linear_light_is_scored_as_displayed(one):
    image = linear_to_display(true_image(one))
    shown = figures(display_to_linear((image - 0.02).clamp(0, 1)), one)
    off = (image - (image - 0.02).clamp(0, 1)).square().mean()
    assert shown["psnr"] == pytest.approx(-10 * np.log10(float(off)), abs=0.01)
    assert shown["mse"] == pytest.approx(255**2 * float(off), rel=0.01)


@pytest.mark.parametrize(
    ("rows", "columns", "spared"),
    [
        (slice(0, 20), slice(0, 160), ["psnr_inside", "psnr_middle", "psnr_bottom"]),
        (slice(0, 128), slice(140, 160), ["psnr_inside"]),
        (slice(43, 86), slice(0, 160), ["psnr_top", "psnr_bottom"]),
        (slice(90, 100), slice(60, 80), ["psnr_top", "psnr_middle"]),
    ],
)
def test_an_error_counts_where_it_is(one, rows, columns, spared):
    image = true_image(one)
    image[rows, columns] = 1 - image[rows, columns]
    found = figures(image, one)
    places = [f"psnr_{name}" for name in ("inside", "top", "middle", "bottom")]
    assert [name for name in places if found[name] == np.inf] == spared


def test_masks_of_a_set_are_told_apart_in_the_table(tmp_path, capsys):
    whole = recording()
    town = tmp_path / "carla/test/town/000"
    town.mkdir(parents=True)
    mask = np.zeros((128, 160), np.uint8)
    mask[:, :100] = 255
    for index, frame in enumerate(whole.frames):
        truth = whole.truths[9 * index + 4].copy()
        truth[:, 100:] = 255 - truth[:, 100:]  # what no method can know
        named = {"rs": frame, "gs_m": truth, "gs_f": whole.truths[9 * index], "mask": mask}
        for name, image in named.items():
            cv2.imwrite(str(town / f"{index:04d}_{name}.png"), image)
    words = ["--images", str(tmp_path / "carla"), "--out", str(tmp_path / "out")]
    settings = ["--set", "unroll.readout_ratio=0.8", "--threads", "1", "--quiet"]
    assert main(["bench", "--suite", "shutter", *words, *settings]) == 0
    middle = capsys.readouterr().out.split("### At the time of the middle row")[1]
    head, _, *rows = (line.split(" | ") for line in middle.split("\n\n")[1].splitlines())
    ours = next(row for row in rows if row[0] == "| burst")
    assert float(ours[head.index("masked")]) > 25 > float(ours[head.index("PSNR dB")]) + 3


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


def test_displaced_rows_are_told_apart_from_blurred_ones():
    image = torch.from_numpy(recording().frames[0] / 255).float()
    slanted = image.clone()
    for row in range(128):
        slanted[row] = torch.roll(image[row], round(row / 32))
    blurred = (image + torch.roll(image, 1, 1) + torch.roll(image, -1, 1)) / 3
    assert row_displacement(slanted, image) == pytest.approx(2.3, abs=0.5)
    assert row_displacement(blurred, image) < 0.3


def test_settings_of_the_network_are_kept_from_the_geometry(folder):
    asked = {}

    def pipelines(name: str, said: Sequence[str]) -> Pipeline:
        asked[name] = list(said)
        return without_network(name, [text for text in said if text.startswith("unroll.")])

    settings = ("unroll.order=1", "correct.ensemble=8")
    ShutterBench(pipelines, settings).measure(SequenceTruth(folder, "pan", 13))
    assert asked["rolling"][2:] == list(settings)
    assert asked["rolling_geometry"][2:] == ["unroll.order=1"]


def test_raw_frames_are_shown_without_their_black():
    whole = recording()
    sensor = replace(whole.sensor, transfer="linear", black_level=20.0)
    one = replace(
        whole, sensor=sensor, truths=whole.truths[:1], truth_frame=whole.truth_frame[:1],
        truth_share=whole.truth_share[:1],
    )  # fmt: skip
    truth = (torch.from_numpy(one.truths[0].astype(np.float32)) - 20) / 235
    assert figures(truth, one)["psnr"] > 60


def test_every_method_is_told_the_readout_ratio_of_the_settings(tmp_path):
    write_sequence(tmp_path / "known", recording(frames=3))
    write_sequence(tmp_path / "unknown", recording(frames=3).with_readout_ratio(0.0))
    known, unknown = (
        ShutterBench(without_network, settings).measure(SequenceTruth(str(tmp_path), name, 13))
        for name, settings in (("known", ()), ("unknown", ("unroll.readout_ratio=0.8",)))
    )
    assert unknown["readout_ratio"] == pytest.approx(0.8)
    for name in (BASELINE, CLASSICAL, UNTOUCHED):
        assert unknown["methods"][name]["psnr"] == pytest.approx(known["methods"][name]["psnr"])


def test_a_window_of_uneven_frames_keeps_their_times(tmp_path):
    whole = recording(frames=7)
    kept = [0, 1, 2, 4, 5, 6]
    sensor = replace(whole.sensor, frame_times=tuple(0.04 * k for k in kept))
    truths = np.isin(whole.truth_frame, kept)
    uneven = replace(
        whole, frames=whole.frames[kept], scan=whole.scan[kept], sensor=sensor,
        truths=whole.truths[truths], truth_share=whole.truth_share[truths],
        truth_frame=np.searchsorted(kept, whole.truth_frame[truths]),
    )  # fmt: skip
    write_sequence(tmp_path / "pan", uneven)
    window = SequenceTruth(str(tmp_path), "pan", 9 * 3 + 4).read()
    np.testing.assert_allclose(window.sensor.frame_times, [0, 0.08, 0.12, 0.16])
    found = ShutterBench(without_network).measure(SequenceTruth(str(tmp_path), "pan", 9 * 2 + 4))
    inside = {name: figures["psnr_inside"] for name, figures in found["methods"].items()}
    assert min(inside[BASELINE], inside[CLASSICAL]) > inside[UNTOUCHED] + 4
