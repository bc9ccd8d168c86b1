"""A verification package is repeated and compared; whatever does not agree is told."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file
from toys import write_stack

from burst.network.checkpoint import FORMAT
from burst.submission.archive import write_zip


@pytest.fixture
def package(submit, tmp_path):
    """Return the path of the verification package of the toy submission."""
    code, _, log = submit("--set", "toy_mean.grain=0.1", "--seed", 7)
    assert code == 0, log
    return tmp_path / "submissions/try/try-verification.zip"


@pytest.fixture
def verify(stacks, toy_stages, capsys):
    """Return a function that verifies a package and returns (exit code, stdout, stderr)."""
    from burst.__main__ import main

    def call(path, *words):
        code = main(["submit", "--verify", str(path), "--stacks", str(stacks), *map(str, words)])
        return code, *capsys.readouterr()

    return call


def change(path, changes):
    """Replace files of a zip; None removes one."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents |= changes
    write_zip(path, {name: content for name, content in contents.items() if content is not None})


def change_manifest(path, edit):
    """Let a function edit the manifest of a package."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    edit(manifest)
    change(path, {"manifest.json": json.dumps(manifest).encode()})


def test_repeated_images_are_the_same_bytes(package, verify):
    code, out, log = verify(package)
    assert code == 0, log
    assert out == f"{package}: 4 images are the same bytes\n"


def test_tampered_file_is_told(package, verify):
    change(package, {"run.sh": b"rm", "METHOD.md": None, "more.txt": b""})
    code, _, log = verify(package)
    assert code == 3
    assert "run.sh: expected the bytes that the manifest names, found others." in log
    assert "METHOD.md: expected it, found no such file." in log
    assert "more.txt: expected it in the manifest, found it only in the package." in log


def test_other_stacks_are_told(package, verify, stacks):
    write_stack(stacks / "low/a.npy", seed=9)
    (stacks / "low/b.npy").rename(stacks / "low/e.npy")
    code, _, log = verify(package)
    assert code == 3
    assert "low/a: expected the frames that were submitted, found others." in log
    assert f"low/b: expected this stack in {stacks}." in log
    assert "low/e: expected only stacks that were submitted." in log


def forge(path, name, offset):
    """Put another image into a package, as if it had been submitted."""
    import hashlib

    from burst.submission.encode import from_bytes, to_bytes

    with zipfile.ZipFile(path) as archive:
        numbers = from_bytes(archive.read(f"images/{name}"), ".npy").astype(int)
    content = to_bytes(np.abs(numbers - offset).astype(np.uint16), ".npy")
    digest = hashlib.sha256(content).hexdigest()

    def edit(manifest):
        manifest["files"][f"images/{name}"] = digest
        for record in manifest["stacks"]:
            if record["image"] == name:
                record["sha256"] = digest

    change(path, {f"images/{name}": content})
    change_manifest(path, edit)


def test_image_of_another_method_is_told(package, verify):
    forge(package, "a_out.npy", offset=2)
    code, out, log = verify(package)
    assert (code, out) == (3, "")
    assert "a_out.npy: expected the same bytes, found differences up to 2." in log


def test_other_threads_are_given_a_tolerance(package, verify):
    forge(package, "a_out.npy", offset=2)
    code, out, log = verify(package, "--threads", 3)
    assert code == 0, log
    assert (
        "3 images are the same bytes, 1 differ by at most 2, where 8 is allowed (threads 1 and 3)"
        in out
    )


def test_tolerance_has_an_end(package, verify):
    forge(package, "a_out.npy", offset=9)
    code, _, log = verify(package, "--threads", 3)
    assert code == 3
    assert (
        "a_out.npy: expected differences up to 8 (threads 1 and 3), found differences up to 9."
        in log
    )


def test_other_code_is_warned_of(package, verify):
    change_manifest(package, lambda manifest: manifest.update(code="other"))
    code, _, log = verify(package)
    assert code == 0
    assert "made by burst 0.1.0 of other source than this one" in log


@pytest.mark.parametrize("name", ["../x.txt", "/tmp/x.txt"])
def test_package_that_leaves_its_folder_is_refused(package, verify, name):
    change(package, {name: b"x"})
    code, _, log = verify(package)
    assert code == 3
    assert "expected a name inside the archive's own folder" in log


def test_what_is_no_package_is_refused(tmp_path, verify, stacks):
    write_zip(tmp_path / "a.zip", {"a.txt": b""})
    code, _, log = verify(tmp_path / "a.zip")
    assert code == 3
    assert "manifest.json: expected it in the package" in log


def test_models_travel_with_their_cards_and_are_the_ones_used(
    submit, verify, tmp_path, monkeypatch
):
    folder = tmp_path / "mine"
    folder.mkdir()
    header = {"format": FORMAT, "training": json.dumps({"data": ["some photographs"]})}
    save_file({"w": np.zeros(3, np.float32)}, folder / "toy.safetensors", header)
    (folder / "toy.md").write_text("# toy\n")
    pipeline = tmp_path / "network.toml"
    pipeline.write_text('stages = ["toy_linear", "toy_mean", "toy_network"]\n')
    monkeypatch.setenv("BURST_CHECKPOINTS", str(folder))
    code, _, log = submit("--pipeline", pipeline)
    assert code == 0, log
    package = tmp_path / "submissions/try/try-verification.zip"
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        assert "some photographs" in archive.read("METHOD.md").decode()
        manifest = json.loads(archive.read("manifest.json"))
    assert {"checkpoints/toy.safetensors", "checkpoints/toy.md"} <= set(names)
    assert list(manifest["models"]) == ["toy"]
    assert {record["model"] for record in manifest["stacks"]} == {"toy"}
    monkeypatch.delenv("BURST_CHECKPOINTS")
    code, out, log = verify(package)
    assert code == 0, log
    assert "4 images are the same bytes" in out


def test_model_that_has_changed_since_is_refused(submit, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    save_file({"w": np.zeros(3, np.float32)}, folder / "toy.safetensors", {"format": FORMAT})
    pipeline = tmp_path / "network.toml"
    pipeline.write_text('stages = ["toy_linear", "toy_mean", "toy_network"]\n')
    monkeypatch.setenv("BURST_CHECKPOINTS", str(folder))
    code, _, log = submit("--pipeline", pipeline)
    assert code == 5
    assert "toy.md: expected the card of the checkpoint beside it, found none" in log
    (folder / "toy.md").write_text("# toy\n")
    save_file({"w": np.ones(3, np.float32)}, folder / "toy.safetensors", {"format": FORMAT})
    code, _, log = submit("--pipeline", pipeline)
    assert code == 5
    assert "expected the checkpoint that made the images, found another of its name" in log
