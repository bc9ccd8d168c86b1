"""`burst run --pipeline rolling` from files to files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from jsonschema import validate
from rolled import recording, reset_recording
from videos import turn, write_video

from burst.__main__ import main
from burst.files.layouts.simulated import write_sequence
from burst.files.read import ReadOptions, read_stack
from burst.records import Shutter
from burst.report.summary import SCHEMA_FILE

ONE = {"restored.npy", "restored.tif", "restored.png"}
SEVERAL = {"restored.npy", "restored.tif", "restored.mp4", "restored-000.png", "restored-001.png"}
ALWAYS = {"report.json", "report.html", "pipeline.toml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two rolling frames, with their sidecar and truths."""
    write_sequence(tmp_path / "pan", recording())
    return tmp_path / "pan"


def run(stack: Path, *words: str, pipeline: str = "rolling_geometry") -> int:
    always = ["--threads", "1", "--device", "cpu", "--out", str(stack.parent / "out")]
    return main(["run", "--stack", str(stack), "--pipeline", pipeline, *always, *words])


def written(stack: Path) -> set[str]:
    return {path.name for path in (stack.parent / "out" / stack.name).iterdir()}


def test_one_instant_has_the_names_of_any_result(folder):
    assert run(folder) == 0
    assert written(folder) == ONE | ALWAYS
    report = json.loads((folder.parent / "out/pan/report.json").read_text("utf-8"))
    validate(report, json.loads(SCHEMA_FILE.read_text("utf-8")))
    assert set(report["outputs"]) == ONE | ALWAYS


def test_several_instants_are_a_sequence_and_take_the_place_of_one(folder, capsys):
    run(folder)
    capsys.readouterr()
    assert run(folder, "--set", "unroll.instants=[0.0,1.0]") == 0
    assert written(folder) == SEVERAL | ALWAYS
    assert {Path(line).name for line in capsys.readouterr().out.split()} == SEVERAL | ALWAYS
    assert np.load(folder.parent / "out/pan/restored.npy").shape == (2, 128, 160)
    run(folder)
    assert written(folder) == ONE | ALWAYS


def test_a_sequence_that_is_done_is_not_done_again(folder, capsys):
    words = ("--set", "unroll.instants=[0.0,1.0]", "--resume")
    run(folder, *words)
    run(folder, *words)
    assert "skipped" in capsys.readouterr().err
    (folder.parent / "out/pan/restored-001.png").unlink()
    run(folder, *words)
    assert "restored-001.png" in written(folder)


def in_colour(folder: Path) -> None:
    for path in sorted(folder.glob("*.png")):
        grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.stack([grey // 4, grey // 2, grey], axis=-1))


def test_colour_frames_give_a_colour_image(folder):
    in_colour(folder)
    assert run(folder) == 0
    image = np.load(folder.parent / "out/pan/restored.npy")
    assert image.shape == (128, 160, 3)
    assert image[..., 0].mean() > image[..., 1].mean() > image[..., 2].mean()
    picture = cv2.imread(str(folder.parent / "out/pan/restored.png"), cv2.IMREAD_UNCHANGED)
    assert picture[..., 2].mean() > picture[..., 0].mean()


def test_colour_is_read_where_it_is_asked_for(folder):
    assert read_stack(folder, ReadOptions(colour=True)).colour is None
    in_colour(folder)
    assert read_stack(folder).colour is None
    colour = read_stack(folder, ReadOptions(colour=True)).colour
    assert colour.shape == (2, 128, 160, 3)
    assert colour[..., 0].mean() > colour[..., 2].mean()


@pytest.mark.parametrize(
    ("words", "pipeline", "code", "message"),
    [
        (("--set", "unroll.readout_ratio=0"), "rolling_geometry", 2, "above 0 and at most 1"),
        (("--set", "unroll.readout_ratio=1.5"), "rolling_geometry", 2, "above 0 and at most 1"),
        (("--set", "unroll.instants=[]"), "rolling_geometry", 2, "instants"),
        ((), "dual_reversed", 3, "Pass --pipeline rolling"),
    ],
)
def test_wrong_use_is_a_sentence(folder, capsys, words, pipeline, code, message):
    assert run(folder, *words, pipeline=pipeline) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 17, 90), (6, 16, 40)])
def test_small_frames_of_noise_or_of_nothing_give_an_image(tmp_path, shape):
    noise = np.random.default_rng(0).integers(100, 4000, shape, np.uint16)
    for name, frames in (("noise", noise), ("flat", np.full(shape, 900, np.uint16))):
        np.save(tmp_path / f"{name}.npy", frames)
        stack = tmp_path / f"{name}.npy"
        words = ("--axis", "frames-first", "--set", "unroll.readout_ratio=1")
        assert run(stack, *words) == 0
        image = np.load(tmp_path / "out" / name / "restored.npy")
        assert image.shape == shape[1:]
        assert np.isfinite(image).all()


def test_a_mosaic_becomes_colour_images_of_every_instant(tmp_path):
    frames = np.random.default_rng(0).integers(500, 3000, (2, 64, 80), np.uint16)
    np.save(tmp_path / "raw.npy", frames)
    (tmp_path / "raw.toml").write_text(
        'cfa = "RGGB"\nshutter = "rolling"\nrow_time = 1e-4\nframe_time = 0.02\n'
    )
    words = ("--axis", "frames-first", "--set", "unroll.instants=[0.0,1.0]")
    assert run(tmp_path / "raw.npy", *words) == 0
    assert np.load(tmp_path / "out/raw/restored.npy").shape == (2, 64, 80, 3)
    assert (tmp_path / "out/raw/restored-001.png").is_file()


def test_a_single_frame_is_refused(folder, capsys):
    (folder / "00001.png").unlink()
    assert run(folder) == 3
    assert "at least 2 frames" in capsys.readouterr().err


def test_frames_of_different_size_are_refused(folder, capsys):
    path = str(folder / "00001.png")
    cv2.imwrite(path, cv2.imread(path, cv2.IMREAD_UNCHANGED)[:100])
    assert run(folder) == 3
    assert "00001.png: expected a frame like the first, 128 x 160" in capsys.readouterr().err


def test_a_readout_longer_than_the_frame_time_is_refused(folder, capsys):
    sidecar = folder / "stack.toml"
    text = re.sub(r"row_time = .*", "row_time = 0.001", sidecar.read_text("utf-8"))
    sidecar.write_text(text, "utf-8")
    assert run(folder) == 3
    assert "expected 128 rows to be read within frame_time 0.04 s" in capsys.readouterr().err


def test_a_pair_of_which_no_readout_is_known_is_refused(folder, capsys):
    sidecar = folder / "stack.toml"
    text = re.sub(r"row_time = .*", "row_time = 0.0", sidecar.read_text("utf-8"))
    sidecar.write_text(text, "utf-8")
    assert run(folder) == 3
    assert "expected to be told how long the readout takes" in capsys.readouterr().err


def test_a_pair_read_in_one_direction_is_refused(tmp_path, capsys):
    write_sequence(tmp_path / "pair", recording(Shutter.DUAL_REVERSED))
    sidecar = tmp_path / "pair/stack.toml"
    text = sidecar.read_text("utf-8")
    assert "-1" in text
    sidecar.write_text(text.replace("-1", "1"), "utf-8")
    assert run(tmp_path / "pair", pipeline="dual_reversed_geometry") == 3
    assert "opposite directions" in capsys.readouterr().err


def test_one_frame_of_a_global_reset_is_enough(tmp_path):
    write_sequence(tmp_path / "reset", reset_recording(1))
    assert run(tmp_path / "reset", pipeline="global_reset_geometry") == 0
    image = np.load(tmp_path / "out/reset/restored.npy")
    recorded = reset_recording(1).frames[0] / 4000
    assert image.shape == (128, 160)
    # The last row gathered six times the light of the first.
    np.testing.assert_allclose(image[-1], recorded[-1] / 5.96, rtol=1e-2, atol=1e-3)


def test_the_truth_beside_a_stack_is_in_its_report(folder):
    assert run(folder, "--set", "unroll.instants=[0.0,0.1,1.0]") == 0
    report = json.loads((folder.parent / "out/pan/report.json").read_text("utf-8"))
    validate(report, json.loads(SCHEMA_FILE.read_text("utf-8")))
    known = [score["instant"] for score in report["truth"]]
    assert known == [report["stages"][0]["numbers"]["instants"][k] for k in (0, 2)]
    page = (folder.parent / "out/pan/report.html").read_text("utf-8")
    assert page.count('role="img"') == 3  # the paths of rows, the motion, the scores
    assert 'class="film"' in page


def test_a_broken_truth_costs_no_image(folder, capsys):
    (folder / "truth/truth.toml").write_text("frame = [0]\nshare = [0.5]\n", "utf-8")
    assert run(folder) == 0
    assert "truth.toml: expected frame = [...]" in capsys.readouterr().err
    assert json.loads((folder.parent / "out/pan/report.json").read_text("utf-8"))["truth"] is None


def test_truths_of_a_published_set_are_compared_with(tmp_path):
    sequence = recording()
    for n, frame in enumerate(sequence.frames):
        (tmp_path / "set").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"set/rs_{n}.png"), frame)
        cv2.imwrite(str(tmp_path / f"set/gs_{n}_m.png"), sequence.truths[9 * n + 4])
    assert run(tmp_path / "set", "--set", "unroll.readout_ratio=0.8") == 0
    report = json.loads((tmp_path / "out/set/report.json").read_text("utf-8"))
    assert report["stack"]["frames"] == 2
    (compared,) = report["truth"]
    assert compared["psnr"] > compared["frame_psnr"] + 6


@pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (180, 2), (270, 1)])
def test_a_video_that_its_header_turns_is_unrolled_along_its_rows(tmp_path, degrees, quarters):
    frames = recording().frames.astype(np.uint8)
    plain = write_video(tmp_path / "plain.mp4", frames, "mp4v")
    turned = turn(write_video(tmp_path / "turned.mp4", frames, "mp4v"), degrees)
    for path in (plain, turned):
        assert run(path, "--set", "unroll.readout_ratio=0.8") == 0
    images = [np.load(tmp_path / f"out/{name}/restored.npy") for name in ("plain", "turned")]
    np.testing.assert_array_equal(np.rot90(images[0], quarters), images[1])
