"""Checkpoints are found in a fixed order, and a header tells what a file is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from burst.__main__ import main
from burst.checkpoint import FORMAT, CheckpointError, find, found, inspect


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder that is searched first."""
    monkeypatch.setenv("BURST_CHECKPOINTS", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def write(path, **metadata):
    """Write a checkpoint of one small weight."""
    header = {"format": FORMAT, **{key: json.dumps(value) for key, value in metadata.items()}}
    save_file({"weight": np.zeros(3, np.float32)}, path, header)
    return path


def test_name_and_path_find_the_same_file(folder):
    path = write(folder / "medium.safetensors")
    assert find("medium") == path == find(str(path))


def test_variable_comes_before_the_working_folder(folder, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    write(tmp_path / "checkpoints/medium.safetensors")
    mine = write(folder / "medium.safetensors")
    assert find("medium") == mine
    assert mine in found()
    assert len([path for path in found() if path.stem == "medium"]) == 1


def test_missing_checkpoint_says_where_it_looked(folder):
    write(folder / "medium.safetensors")
    with pytest.raises(CheckpointError) as error:
        find("medum")
    assert str(folder) in str(error.value)
    assert "Did you mean 'medium'?" in str(error.value)
    with pytest.raises(CheckpointError, match="found no file there"):
        find("x/medium.safetensors")


def test_header_is_read_and_decoded(folder):
    path = write(folder / "medium.safetensors", level={"noise": [0.01, 0.1]})
    assert inspect(path) == {"format": FORMAT, "level": {"noise": [0.01, 0.1]}}


@pytest.mark.parametrize("size", [0, 4, 60, -1])
def test_truncated_checkpoint_is_refused(folder, size):
    path = write(folder / "medium.safetensors")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        inspect(path)


def test_other_safetensors_are_refused(folder):
    path = folder / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(CheckpointError, match=f"expected format {FORMAT}, found none"):
        inspect(path)


def test_header_that_is_no_json_is_refused(folder):
    path = folder / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path, {"format": FORMAT, "level": "{"})
    with pytest.raises(CheckpointError, match="level: expected JSON"):
        inspect(path)


def test_info_prints_the_header(folder, capsys):
    write(folder / "medium.safetensors", training={"steps": 100})
    assert main(["info", "--checkpoint", "medium", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"] == {"steps": 100}


def test_info_of_a_broken_checkpoint_is_exit_5(folder, capsys):
    (folder / "medium.safetensors").write_bytes(b"no")
    assert main(["info", "--checkpoint", "medium"]) == 5
    assert "expected a whole safetensors file" in capsys.readouterr().err


def test_info_lists_pipelines_and_checkpoints(folder, capsys):
    path = write(folder / "medium.safetensors")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "turbulence:" in out
    assert f"{path}: " in out
    assert str(folder) in out
