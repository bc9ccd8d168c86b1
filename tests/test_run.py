"""`burst run` in this process, with toy stages: what it writes, repeats, skips and refuses."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from toys import IMAGES, OUTPUTS, read_files, write_pipeline, write_stack

from burst.__main__ import main
from burst.pipeline import load
from burst.run import name_folders

pytestmark = pytest.mark.usefixtures("toy_stages")


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that runs the toy pipeline and returns (exit code, stdout, stderr)."""
    pipeline = write_pipeline(tmp_path)

    def call(*words, out=tmp_path / "out", pipeline=pipeline):
        always = ["--pipeline", pipeline, "--out", out, "--threads", "1", "--device", "cpu"]
        code = main(["run", *map(str, [*always, "--stack", *words])])
        return code, *capsys.readouterr()

    return call


def test_results_are_the_six_files_of_the_contract(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    code, out, _ = run(stack)
    assert code == 0
    assert {path.name for path in (tmp_path / "out/a").iterdir()} == OUTPUTS
    assert {Path(line).name for line in out.splitlines()} == OUTPUTS


def test_without_report_only_the_page_is_missing(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack)
    assert run(stack, "--no-report")[0] == 0
    assert {path.name for path in (tmp_path / "out/a").iterdir()} == OUTPUTS - {"report.html"}
    named = json.loads((tmp_path / "out/a/report.json").read_text())["outputs"]
    assert set(named) == OUTPUTS - {"report.html"}
    _, out, _ = run(stack, "--no-report", "--resume", "--json")
    assert json.loads(out)["stacks"][0]["status"] == "skipped"
    run(stack, "--resume")
    assert (tmp_path / "out/a/report.html").is_file()


def test_restored_npy_is_linear_float32(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack)
    restored = np.load(tmp_path / "out/a/restored.npy")
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, np.load(stack).mean(0) / 4095, atol=1e-6)


def test_same_input_and_seed_give_the_same_bytes(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    grain = ("--set", "toy_mean.grain=0.1")
    run(stack, *grain, out=tmp_path / "one")
    run(stack, *grain, out=tmp_path / "two")
    run(stack, *grain, "--seed", 1, out=tmp_path / "three")
    one, two, three = (read_files(tmp_path / name / "a") for name in ("one", "two", "three"))
    assert one == two
    assert one["restored.npy"] != three["restored.npy"]


def test_written_pipeline_gives_the_same_bytes_again(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack, "--set", "toy_linear.gain=0.5", "--set", "toy_mean.grain=0.1")
    written = tmp_path / "out/a/pipeline.toml"
    run(stack, out=tmp_path / "again", pipeline=written)
    names = (*IMAGES, "pipeline.toml")
    assert read_files(tmp_path / "again/a", names) == read_files(tmp_path / "out/a", names)


def test_spelling_of_the_path_changes_no_byte(run, tmp_path, monkeypatch):
    stack = write_stack(tmp_path / "a b\n.npy")
    run(stack)
    monkeypatch.chdir(tmp_path)
    run(stack.name, out="again")
    folder = stack.stem
    names = (*IMAGES, "pipeline.toml")
    assert read_files(tmp_path / "again" / folder, names) == read_files(
        tmp_path / "out" / folder, names
    )
    load(str(tmp_path / "again" / folder / "pipeline.toml"))


def test_no_temporary_file_is_left(run, tmp_path):
    run(write_stack(tmp_path / "a.npy"), "--keep-stages")
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]
    assert left == []


def test_until_keeps_the_stages_and_leaves_no_image(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack)
    code, _, _ = run(stack, "--until", "toy_linear")
    assert code == 0
    folder = tmp_path / "out/a"
    assert [path.name for path in (folder / "stages").iterdir()] == ["toy_linear.npz"]
    assert not any((folder / name).exists() for name in IMAGES)
    with np.load(folder / "stages/toy_linear.npz") as kept:
        assert kept["linear"].shape == (8, 24, 24)


def test_resume_starts_after_the_kept_stages(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack, "--set", "toy_mean.grain=0.1", out=tmp_path / "whole")
    run(stack, "--set", "toy_mean.grain=0.1", "--until", "toy_linear")
    _, _, log = run(stack, "--set", "toy_mean.grain=0.1", "--resume")
    assert "a: goes on after toy_linear" in log
    assert read_files(tmp_path / "out/a") == read_files(tmp_path / "whole/a")
    report = json.loads((tmp_path / "out/a/report.json").read_text())
    assert [stage["stage"] for stage in report["stages"]] == [
        "toy_linear",
        "toy_trouble",
        "toy_mean",
    ]


def test_resume_computes_again_what_other_settings_made(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack, "--until", "toy_linear")
    _, _, log = run(stack, "--resume", "--set", "toy_linear.gain=0.5")
    assert "made from other settings, seed or data; it is computed again" in log
    assert np.load(tmp_path / "out/a/restored.npy").max() < 0.5


def test_resume_computes_again_what_is_broken(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack, "--until", "toy_linear")
    kept = tmp_path / "out/a/stages/toy_linear.npz"
    kept.write_bytes(kept.read_bytes()[:1000])
    code, _, log = run(stack, "--resume")
    assert code == 0
    assert "expected a kept stage" in log


def test_resume_skips_a_stack_that_is_done(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack)
    _, out, _ = run(stack, "--resume", "--json")
    assert json.loads(out)["stacks"][0]["status"] == "skipped"


def test_resume_does_a_changed_stack_again(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    run(stack)
    write_stack(stack, seed=1)
    _, out, _ = run(stack, "--resume", "--json")
    assert json.loads(out)["stacks"][0]["status"] == "done"


def test_result_of_another_stack_is_not_written_over(run, tmp_path):
    run(write_stack(tmp_path / "monday/a.npy"))
    code, _, log = run(write_stack(tmp_path / "friday/a.npy", seed=1))
    assert code == 2
    assert "found that of" in log
    assert "Pass another --out" in log


def test_batch_goes_on_after_a_bad_stack(run, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    good = write_stack(tmp_path / "good.npy")
    code, out, log = run(tmp_path / "bad.npy", good, "--json")
    assert code == 4
    table = {Path(row["stack"]).name: row for row in json.loads(out)["stacks"]}
    assert (table["bad.npy"]["status"], table["bad.npy"]["exit"]) == ("failed", 3)
    assert (table["good.npy"]["status"], table["good.npy"]["exit"]) == ("done", 0)
    assert "1 of 2 stacks done" in log


def test_failed_processing_is_one_line_and_a_log_file(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    code, _, log = run(stack, "--set", "toy_trouble.kind=fail", "--quiet")
    assert code == 1
    place = tmp_path / "out/a/error.log"
    assert log == f"burst: error: RuntimeError: the lens cap was on. The traceback is in {place}.\n"
    assert "toy_trouble.py" in place.read_text()


def test_warnings_of_a_stage_reach_the_person(run, tmp_path):
    _, _, log = run(write_stack(tmp_path / "a.npy"), "--set", "toy_mean.warn=true")
    assert "toy_mean: the frames are few" in log


def test_stack_that_does_not_fit_into_memory_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr("burst.run.available_memory", lambda: 1000)
    code, _, log = run(write_stack(tmp_path / "a.npy"))
    assert code == 3
    assert "8 frames of 24x24, which need about" in log


def test_unwritable_output_is_bad_input(run, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    code, _, log = run(write_stack(tmp_path / "a.npy"))
    assert code == 3
    assert str(tmp_path / "out") in log


def test_colour_stack_gives_a_colour_image(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy", size=32)
    (tmp_path / "a.toml").write_text('cfa = "RGGB"\n')
    code, _, _ = run(stack, "--keep-stages")
    assert code == 0
    assert np.load(tmp_path / "out/a/restored.npy").shape == (32, 32, 3)
    assert {p.name for p in (tmp_path / "out/a/stages").iterdir()} == {"R", "G1", "G2", "B"}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a.npy", "x/b.npy"], ["a", "b"]),
        (["x/a.npy", "x/a.ser"], ["a-npy", "a-ser"]),
        (["x/a.npy", "y/a.npy"], ["x-a-npy", "y-a-npy"]),
        (["x/a.npy", "x/A.npy", "x/b.npy"], ["data-x-a-npy-1", "data-x-A-npy-2", "b"]),
    ],
)
def test_stacks_of_one_name_get_folders_of_their_own(paths, names):
    assert name_folders([Path("/data") / path for path in paths]) == names


def test_the_report_of_a_colour_stack_is_of_all_planes(run, tmp_path):
    stack = write_stack(tmp_path / "a.npy")
    (tmp_path / "a.toml").write_text('cfa = "RGGB"\n')
    run(stack)
    report = json.loads((tmp_path / "out/a/report.json").read_text())
    assert (report["stack"]["name"], report["stack"]["width"]) == ("a", 24)
    assert (report["stack"]["sensor"]["cfa"], report["channel"]) == ("RGGB", "G1")
    page = (tmp_path / "out/a/report.html").read_text()
    assert "all four planes of a colour mosaic (RGGB)" in page
    before, *_, after = re.findall(r"data:image/png;base64,([^\"]+)", page)
    bytes_of = [np.frombuffer(base64.b64decode(x), np.uint8) for x in (before, after)]
    pictures = [cv2.imdecode(x, -1) for x in bytes_of]
    assert all(picture.shape == (24, 24, 3) for picture in pictures)
    assert np.ptp(pictures[0], axis=-1).max() > 0


def test_the_channels_of_a_colour_stack_keep_the_same_frames(run, tmp_path):
    generator = np.random.default_rng(0)
    scene = np.kron(generator.integers(300, 3000, (24, 24)), np.ones((4, 4)))
    frames = (scene + generator.normal(0, 20, (8, 96, 96))).clip(0, 4095).astype(np.uint16)
    frames[5] = frames[5, ::-1, ::-1]
    # Red alone is dark in this frame.
    frames[2, ::2, ::2] = 0
    np.save(tmp_path / "a.npy", frames)
    (tmp_path / "a.toml").write_text('cfa = "RGGB"\n')
    options = ("--until", "select", "--keep-stages")
    assert run(tmp_path / "a.npy", *options, pipeline="classical")[0] == 0
    kept = {}
    for channel in ("lead", "R", "G1", "G2", "B"):
        with np.load(tmp_path / f"out/a/stages/{channel}/noise.npz") as stage:
            kept[channel] = len(stage["linear"])
    with np.load(tmp_path / "out/a/stages/lead/screen.npz") as stage:
        assert 5 not in stage["kept"]
    assert set(kept.values()) == {7}
    assert run(tmp_path / "a.npy", *options, "--resume", pipeline="classical")[0] == 0
