"""Checkpoints are found in a fixed order, loaded strictly, and chosen by what was measured."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import TINY, lively, tiny_card, write_checkpoint
from safetensors.numpy import load_file, save_file

from burst.__main__ import main
from burst.models.restorer import Restorer
from burst.network.card import LevelRange, card_text
from burst.network.checkpoint import (
    FORMAT,
    CheckpointError,
    all_checkpoints,
    candidates,
    choose,
    digests,
    find,
    inspect,
    load,
    name_of,
    range_warning,
    read_card,
    save,
)
from burst.records import Level


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
    assert mine in all_checkpoints()
    assert len([path for path in all_checkpoints() if path.stem == "medium"]) == 1


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


def test_info_prints_the_card(folder, capsys):
    path = write_checkpoint(folder)
    assert main(["info", "--checkpoint", "tiny"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(card_text(read_card(path)))
    assert f"file: {path}" in out


def test_info_counts_what_a_network_computes(folder, capsys):
    write_checkpoint(folder)
    assert main(["info", "--checkpoint", "tiny", "--size", "64", "48", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)["computes"]
    assert counted["image"] == "64 x 48"
    assert counted["weights"] == sum(w.numel() for w in Restorer(TINY).parameters())
    assert main(["info", "--checkpoint", "tiny", "--size", "64", "48"]) == 0
    assert "GMAC of the prior: " in capsys.readouterr().out
    assert main(["info", "--size", "64", "48"]) == 2
    assert "Pass --checkpoint" in capsys.readouterr().err


def test_info_lists_pipelines_and_checkpoints(folder, capsys):
    path = write(folder / "medium.safetensors")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "turbulence:" in out
    assert f"{path}: " in out
    assert str(folder) in out


def rewrite(path: Path, weights=None, **header: object) -> None:
    """Write a checkpoint again with other weights, or other entries of its header."""
    entries = {**inspect(path), **header}
    text = {k: v if k == "format" else json.dumps(v) for k, v in entries.items() if v is not None}
    save_file(load_file(path) if weights is None else weights, path, text)


def test_what_is_saved_is_loaded(folder):
    path = write_checkpoint(folder)
    loaded, model = load(path), lively()
    assert loaded.card == tiny_card()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name
    given = torch.randn(1, 2, 16, 16), torch.randn(1, 1)
    assert torch.equal(
        loaded.model.predict(*given, "diffusion"), model.predict(*given, "diffusion")
    )


def test_the_same_weights_and_card_give_the_same_bytes(folder):
    one, two = (write_checkpoint(folder / name).read_bytes() for name in ("a", "b"))
    assert one == two
    keys = list(json.loads(one[8 : 8 + int.from_bytes(one[:8], "little")])["__metadata__"])
    assert keys == sorted(keys)
    assert int.from_bytes(one[:8], "little") % 8 == 0


def test_the_card_is_written_beside_the_weights(folder):
    path = write_checkpoint(folder)
    assert path.with_suffix(".md").read_text() == card_text(read_card(path))
    assert sorted(p.name for p in folder.iterdir()) == ["tiny.md", "tiny.safetensors"]


def test_half_precision_halves_the_file_and_hardly_changes_the_weights(folder):
    whole = write_checkpoint(folder)
    save(folder / "half.safetensors", lively().state_dict(), tiny_card(), half=True)
    sizes = [
        sum(a.nbytes for a in load_file(p).values()) for p in (folder / "half.safetensors", whole)
    ]
    assert sizes[1] == 2 * sizes[0]
    for name, tensor in load(folder / "half.safetensors").model.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, lively().state_dict()[name], atol=1e-3, rtol=1e-3)


def without(name: str, weights):
    return {k: v for k, v in weights.items() if k != name}


NAME = "backbone.stem.1.bias"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: without(NAME, w), f"expected the file to hold {NAME} \\(1 tensors do not fit"),
        (lambda w: {**w, "extra": w[NAME]}, "expected the network to have extra"),
        (lambda w: {**w, NAME: w[NAME][:2]}, f"{NAME} of shape \\(4,\\), found \\(2,\\)"),
        (lambda w: {**w, NAME: w[NAME] * np.nan}, f"expected numbers in {NAME}, found NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, change, words):
    path = write_checkpoint(folder)
    rewrite(path, change(load_file(path)))
    with pytest.raises(CheckpointError, match=words):
        load(path)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"format": "burst-checkpoint-0"}, "expected format burst-checkpoint-1, found burst-ch"),
        ({"spec": None}, "expected a value for 'spec', found none"),
        ({"spec": {"evidence": 2}}, "spec: expected a value for 'scalars', found none"),
        ({"spec": {"evidence": 2, "scalars": 1, "depth": 3}}, "spec: unknown key 'depth'. Did you"),
        (
            {"spec": {"evidence": 0, "scalars": 1}},
            "spec: expected evidence from 1 to 1024, found 0",
        ),
        ({"spec": {"evidence": "ten", "scalars": 1}}, "spec evidence: .*, found 'ten'"),
        ({"spec": {"evidence": 5, "scalars": 1}}, "as many planes and scalars in spec"),
        ({"preparation": {"evidence": ["median"]}}, "evidence: expected some of merged"),
        ({"level": {"noise": [2, 1], "displacement": [0, 1]}}, "level: expected a range"),
        ({"priors": ["guess"]}, "priors.0: expected 'truth', 'encoder'"),
        ({"color": "red"}, "unknown key 'color'"),
    ],
)
def test_a_header_that_is_wrong_is_explained(folder, header, words):
    path = write_checkpoint(folder)
    rewrite(path, **header)
    with pytest.raises(CheckpointError, match=words) as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("size", [0, 4, 60, 4000, -1])
def test_truncated_weights_are_refused(folder, size):
    path = write_checkpoint(folder)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        load(path)


MILD, HARD = LevelRange((0.001, 0.01), (0.2, 1)), LevelRange((0.01, 0.1), (1, 4))


@pytest.fixture
def three(folder, monkeypatch):
    """Let only three checkpoints be found: mild, hard, and a wide one that holds both."""
    monkeypatch.setattr("burst.network.checkpoint.search_path", lambda *names: [folder])
    wide = LevelRange((0.001, 0.1), (0.2, 4))
    for name, level in (("all", wide), ("mild", MILD), ("hard", HARD)):
        write_checkpoint(folder, name, level=level)
    return folder


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (Level(0.002, 0.5), "mild"),
        (Level(0.05, 2), "hard"),
        (Level(0.05, 0.5), "all"),
        (Level(0.0, 0.0), "mild"),
        (Level(0.9, 9), "hard"),
    ],
)
def test_the_narrowest_range_that_holds_the_stack_is_chosen(three, level, name):
    assert choose(level).stem == name


def test_a_stack_outside_of_the_range_is_doubted():
    card = tiny_card(level=HARD)
    assert range_warning(card, Level(0.05, 2)) is None
    assert range_warning(card, Level(0.9, 2)) == (
        "This stack has noise 0.9 at mid grey and displacements of 2 px; 'tiny' was trained on 0.01"
        " to 0.1 and 1 to 4 px."
    )


def test_teachers_are_not_chosen(three):
    teacher = {"evidence": 2, "scalars": 1, "teacher": True}
    for name in ("mild", "hard", "all"):
        rewrite(three / f"{name}.safetensors", spec=teacher, priors=["truth"])
    with pytest.raises(CheckpointError, match="works without the truth, found 3 others"):
        choose(Level(0.05, 2))


def test_what_is_used_by_name_is_not_chosen(three):
    write_checkpoint(three, "hard", level=HARD, by_name=True)
    assert choose(Level(0.05, 2)).stem == "all"
    assert find("hard") == three / "hard.safetensors"
    assert "Used only where it is named." in (three / "hard.md").read_text()
    assert "Used only" not in (three / "mild.md").read_text()


def test_a_name_means_one_file_and_auto_means_all(three):
    assert candidates("mild") == [three / "mild.safetensors"]
    assert len(candidates("auto")) == 3


def test_no_checkpoint_at_all_names_the_way_without(folder, monkeypatch):
    monkeypatch.setattr("burst.network.checkpoint.search_path", lambda *names: [folder])
    with pytest.raises(CheckpointError, match=r"found none in .*--pipeline classical"):
        candidates("auto")


def test_a_file_is_named_as_it_is_found_again(folder, tmp_path):
    path, other = write_checkpoint(folder), write_checkpoint(tmp_path, "other")
    assert find(name_of(path)) == path
    assert name_of(path) == "tiny"
    assert find(name_of(other)) == other


def test_reading_a_card_reads_no_weight(folder):
    path = write_checkpoint(folder)
    length = int.from_bytes(path.read_bytes()[:8], "little")
    with path.open("r+b") as file:
        file.seek(8 + length)
        file.write(os.urandom(100))
    assert read_card(path).spec == TINY


def test_digests_name_every_network_that_may_be_used(tmp_path, monkeypatch):
    monkeypatch.setenv("BURST_CHECKPOINTS", str(tmp_path / "none"))
    before = digests(["select.keep=3"])
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"weights")
    assert digests([f"fuse.checkpoint={mine}"]).removeprefix(before).split()[0] == "mine"
    first = digests([f"fuse.checkpoint={mine}"])
    mine.write_bytes(b"others")
    assert digests([f"fuse.checkpoint={mine}"]) != first
