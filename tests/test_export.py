"""`burst export` makes a checkpoint of a run."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from burst.__main__ import main
from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec
from burst.network.card import Card, LevelRange, card_text
from burst.network.checkpoint import load, read_card, save
from burst.network.preparation import Preparation
from burst.training.graph import GraphError, write_graph

INPUTS = Preparation(("merged", "restored"), ("frames", "noise"))


def write_run(folder, **fields):
    """Write the folder of a run with a small network whose output is not zero."""
    fields = {"depths": (1, 1), **fields}
    spec = RestorerSpec(2, 2, width=8, prior_width=8, head_width=8, **fields)
    torch.manual_seed(0)
    model = Restorer(spec)
    state = {name: t + 0.05 * torch.randn(t.shape) for name, t in model.state_dict().items()}
    priors = ("truth",) if spec.teacher else ("none",) if spec.prior == "none" else ("encoder",)
    card = Card("run", spec, INPUTS, "", LevelRange((0.01, 0.1), (1.0, 2.0)), priors=priors)
    save(folder / "network.safetensors", state, card)
    return folder


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Return a function that exports a run as "mine" and returns the exit code."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run")
    return lambda *words: main(["export", "run", "--name", "mine", *map(str, words)])


def test_checkpoint_and_card_are_written(export, tmp_path, capsys):
    assert export("--licences", "CC0") == 0
    captured = capsys.readouterr()
    assert captured.out.split() == ["checkpoints/mine.safetensors", "checkpoints/mine.md"]
    assert captured.err == (
        "mine: used where it is named: --set fuse.checkpoint=mine. Pass --choose to have it chosen"
        " for stacks by itself\n"
    )
    loaded = load(tmp_path / "checkpoints/mine.safetensors")
    assert (loaded.card.name, loaded.card.training["licences"]) == ("mine", "CC0")
    assert (tmp_path / "checkpoints/mine.md").read_text("utf-8") == card_text(loaded.card)


def test_weights_are_the_run_s(export, tmp_path):
    export()
    before = load(tmp_path / "run/network.safetensors").model.state_dict()
    after = load(tmp_path / "checkpoints/mine.safetensors").model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_mean_of_weights_lies_between_two_runs(export, tmp_path):
    other = write_run(tmp_path / "other") / "network.safetensors"
    mine, loaded = load(tmp_path / "run/network.safetensors"), load(other)
    moved = {name: 1.5 * t for name, t in loaded.model.state_dict().items()}
    save(other, moved, replace(loaded.card, name="other", training={"steps": 7}))
    assert export("--mean-with", "other", "--licences", "CC0") == 0
    made = load(tmp_path / "checkpoints/mine.safetensors")
    for name, weights in mine.model.state_dict().items():
        torch.testing.assert_close(made.model.state_dict()[name], 1.25 * weights)
    assert made.card.training["mean of weights with"] == ["other (7 steps)"]
    assert not made.card.scores
    assert export("--mean-with", "other", "other") == 0
    twice = load(tmp_path / "checkpoints/mine.safetensors").model.state_dict()
    for name, weights in mine.model.state_dict().items():
        torch.testing.assert_close(twice[name], weights * 4 / 3)


def test_blocks_that_one_has_not_got_count_half(export, tmp_path):
    write_run(tmp_path / "run", depths=(2, 1))
    deep = load(tmp_path / "run/network.safetensors")
    weights = deep.model.state_dict()
    shallow = replace(deep.card, spec=replace(deep.card.spec, depths=(1, 1)))
    kept = {name: t for name, t in weights.items() if ".0.1." not in name}
    save(tmp_path / "other/network.safetensors", kept, shallow)
    assert export("--mean-with", "other") == 0
    made = load(tmp_path / "checkpoints/mine.safetensors").model.state_dict()
    for name, own in weights.items():
        half = ".0.1." in name and name.endswith(".factor")
        torch.testing.assert_close(made[name], own / 2 if half else own)


@pytest.mark.parametrize("depths", [(2, 1), (1, 1, 1)])
def test_mean_with_a_deeper_network_is_refused(export, tmp_path, capsys, depths):
    write_run(tmp_path / "other", depths=depths)
    assert export("--mean-with", "other") == 5
    assert "or one less deep, found" in capsys.readouterr().err


def test_mean_with_another_network_is_refused(export, tmp_path, capsys):
    write_run(tmp_path / "other", prior="none")
    assert export("--mean-with", "other") == 5
    assert "expected the network and preparation of 'run'" in capsys.readouterr().err
    assert not (tmp_path / "checkpoints/mine.safetensors").exists()


def test_mean_with_a_stranger_is_refused(export, tmp_path, capsys):
    other = write_run(tmp_path / "other") / "network.safetensors"
    loaded = load(other)
    strange = {name: torch.randn(t.shape) for name, t in loaded.model.state_dict().items()}
    save(other, strange, loaded.card)
    assert export("--mean-with", "other") == 5
    assert "expected a network that began as the same" in capsys.readouterr().err
    assert not (tmp_path / "checkpoints/mine.safetensors").exists()


def test_half_is_half_as_large_and_nearly_as_exact(export, tmp_path):
    export("--half")
    export("--out", "whole")
    half, whole = (tmp_path / f / "mine.safetensors" for f in ("checkpoints", "whole"))
    header = 9000
    assert half.stat().st_size < whole.stat().st_size / 2 + header / 2
    evidence, scalars = torch.rand(1, 2, 32, 32), torch.rand(1, 2)
    with torch.no_grad():
        outputs = [load(path).model(evidence, scalars) for path in (half, whole)]
    torch.testing.assert_close(*outputs, atol=5e-3, rtol=0)
    assert load(half).card.training["bits of a weight"] == 16


def test_what_is_to_be_used_by_name_says_so(export, tmp_path):
    for words, by_name in ((["--by-name"], True), (["--choose"], False)):
        assert export(*words) == 0
        assert load(tmp_path / "checkpoints/mine.safetensors").card.by_name is by_name


def test_missing_licences_are_told(export, capsys):
    export()
    assert "the card names no licences" in capsys.readouterr().err


@pytest.mark.parametrize("prior", ["none", "grid"])
def test_onnx_computes_the_same(tmp_path, prior):
    checkpoint = load(write_run(tmp_path / prior, prior=prior) / "network.safetensors")
    assert write_graph(tmp_path / "a.onnx", checkpoint, 36) <= 1e-5
    assert (tmp_path / "a.onnx").stat().st_size > 10_000


def test_onnx_that_differs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("burst.training.graph._export", lambda *_: None)
    monkeypatch.setattr("burst.training.graph._run", lambda path, e, s: e[:, :1] + 1)
    path = tmp_path / "a.onnx"
    monkeypatch.setattr("burst.training.graph._export", lambda g, e, s, part: part.write_bytes(b""))
    with pytest.raises(GraphError, match="expected what torch computes"):
        write_graph(path, load(write_run(tmp_path / "run") / "network.safetensors"), 36)
    assert not path.exists()


def test_teacher_is_no_graph(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "teacher", teacher=True)
    assert main(["export", "teacher", "--name", "t", "--onnx", "36"]) == 2
    assert "found a teacher" in capsys.readouterr().err


def test_missing_extra_is_explained(export, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "onnxruntime" else object()
    )
    assert export("--onnx") == 2
    assert "expected the packages onnxruntime" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a/b", "a.safetensors"])
def test_name_is_a_name(export, capsys, name):
    assert export("--name", name) == 2
    assert "expected a name without" in capsys.readouterr().err


def test_run_without_a_network_is_explained(export, tmp_path, capsys):
    (tmp_path / "new").mkdir()
    assert main(["export", "new", "--name", "x"]) == 2
    assert "expected a run with network.safetensors" in capsys.readouterr().err


def test_a_new_name_is_used_by_name_unless_told(export, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BURST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    wide = LevelRange((0.001, 0.5), (0.1, 9.0))
    first = load(write_run(tmp_path / "wide") / "network.safetensors")
    path = tmp_path / "checkpoints/wide.safetensors"
    save(path, first.model.state_dict(), replace(first.card, name="wide", level=wide))
    assert export("--licences", "CC0") == 0
    mine = tmp_path / "checkpoints/mine.safetensors"
    assert read_card(mine).by_name
    capsys.readouterr()
    assert export("--choose", "--licences", "CC0") == 0
    assert not read_card(mine).by_name
    assert "mine: chosen from now on for stacks with noise of 0.01 to 0.1 at mid grey and" in (
        said := capsys.readouterr().err
    )
    assert "displacements of 1 to 2 px, before wide" in said


def test_a_checkpoint_that_is_chosen_stays_so(export, tmp_path):
    for word, stays in (("--choose", False), ("--by-name", True)):
        export(word)
        export()
        assert read_card(tmp_path / "checkpoints/mine.safetensors").by_name == stays
