"""A submission is what the challenge wants, the same bytes twice, and holds what repeats it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from toys import STARTUP, environment, write_stack

from burst.submission.encode import from_bytes


@pytest.fixture
def place(tmp_path):
    """Return the folder of the submission."""
    return tmp_path / "submissions/try"


def read(path):
    """Return the contents of a zip by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_zip_holds_one_image_for_each_stack(submit, place, stacks):
    code, out, _ = submit()
    assert code == 0
    assert out.splitlines() == [str(place / "try.zip"), str(place / "try-verification.zip")]
    images = read(place / "try.zip")
    assert list(images) == [f"{stem}_out.npy" for stem in "abcd"]
    for name, content in images.items():
        assert (place / "images" / name).read_bytes() == content
    mean = np.load(stacks / "high/c.npy").mean(0) / 4095
    expected = np.rint((mean - mean.min()) / (mean.max() - mean.min()) * 4095)
    np.testing.assert_allclose(from_bytes(images["c_out.npy"], ".npy"), expected, atol=1)


def test_same_stacks_give_the_same_zips(submit, tmp_path, place):
    submit()
    submit("--out", tmp_path / "other")
    for name in ("try.zip", "try-verification.zip"):
        assert (tmp_path / "other/try" / name).read_bytes() == (place / name).read_bytes()


def test_repeated_command_restores_only_what_is_missing(submit, place, stacks):
    whole = (stacks / "low/b.npy").read_bytes()
    (stacks / "low/b.npy").write_bytes(b"broken")
    code, out, log = submit()
    assert (code, out) == (4, "")
    assert "expected all stacks restored, 1 of 4 failed, so it is not written" in log
    assert not (place / "try.zip").exists()
    (stacks / "low/b.npy").write_bytes(whole)
    code, _, log = submit()
    assert code == 0
    assert log.count(": skipped, ") == 3
    assert "b.npy: done" in log


def test_zips_go_when_they_are_no_longer_true(submit, place, stacks):
    submit()
    (stacks / "low/b.npy").write_bytes(b"broken")
    submit()
    assert list(place.glob("*.zip")) == []


def test_stray_among_the_images_is_not_packed(submit, place):
    submit()
    (place / "images/e_out.npy").write_bytes(b"")
    code, _, log = submit()
    assert code == 2
    assert "expected only images of these stacks, found e_out.npy" in log


def test_stack_of_another_size_is_refused(submit, stacks, place):
    write_stack(stacks / "low/a.npy", size=32)
    code, _, log = submit()
    assert code == 3
    assert "low/a: expected an image of 24 x 24 pixels, found 32 x 32" in log
    assert not (place / "try.zip").exists()


def test_verification_package_holds_what_repeats_it(submit, place):
    submit("--seed", 7)
    packed = read(place / "try-verification.zip")
    manifest = json.loads(packed.pop("manifest.json"))
    wanted = {
        "METHOD.md", "run.sh", "frames.json", "pipeline.toml", "challenge.toml", "constraints.txt",
        "environment.yml", "pipelines/levels.toml", "burst/__main__.py", "images/a_out.npy",
    }  # fmt: skip
    assert wanted <= set(packed)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    assert manifest["files"] == digests
    assert manifest["seed"] == 7
    assert manifest["models"] == {}
    assert b"No trained model" in packed["checkpoints/README.md"]
    assert json.loads((place / "manifest.json").read_text())["files"] == digests
    assert not any("__pycache__" in name for name in packed)


def test_manifest_names_inputs_and_outputs(submit, place, stacks):
    submit()
    manifest = json.loads((place / "manifest.json").read_text())
    record = next(r for r in manifest["stacks"] if r["place"] == "low/a")
    stack = hashlib.sha256((stacks / "low/a.npy").read_bytes()).hexdigest()
    image = hashlib.sha256((place / "images/a_out.npy").read_bytes()).hexdigest()
    assert record["inputs"] == {"low/a.npy": stack}
    assert (record["image"], record["sha256"]) == ("a_out.npy", image)


def test_kept_frames_are_listed_with_their_scores(submit, place, tmp_path):
    select = tmp_path / "select.toml"
    select.write_text('stages = ["toy_linear", "select", "toy_mean"]\n[select]\nkeep = 0.5\n')
    code, _, log = submit("--pipeline", select)
    assert code == 0, log
    frames = json.loads(read(place / "try-verification.zip")["frames.json"])
    assert sorted(frames) == ["high/c", "high/d", "low/a", "low/b"]
    told = frames["low/a"]
    assert len(told["sharpness"]) == len(told["weights"]) == 8
    assert len(told["kept"]) == 4
    assert len(told["reasons"]) == 4


def test_script_repeats_the_submission_with_the_packed_code(submit, place, stacks, tmp_path):
    submit("--seed", 7, "--set", "toy_mean.grain=0.1")
    package = tmp_path / "package"
    with zipfile.ZipFile(place / "try-verification.zip") as archive:
        archive.extractall(package)
    (package / "sitecustomize.py").write_text(STARTUP)
    done = subprocess.run(
        ["sh", str(package / "run.sh"), "stacks"],
        cwd=tmp_path,
        env={**environment(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (package / "again/try/try.zip").read_bytes() == (place / "try.zip").read_bytes()


def test_readme_of_four_lines_is_written(submit, place, tmp_path, stacks):
    for path in stacks.rglob("*.npy"):
        path.rename(stacks / path.name)
    code, _, log = submit("--challenge", "ntire")
    assert code == 0, log
    files = read(place / "try.zip")
    assert sorted(files) == ["a.png", "b.png", "c.png", "d.png", "readme.txt"]
    lines = files["readme.txt"].decode().splitlines()
    assert lines[0].startswith("runtime per image [s] : 0.")
    assert lines[1:3] == ["CPU[1] / GPU[0] : 1", "Extra Data [1] / No Extra Data [0] : 0"]
    assert lines[3].startswith("Other description : burst ")
    assert from_bytes(files["a.png"], ".png").shape == (24, 24, 3)
