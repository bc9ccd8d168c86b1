"""The network corrects instants in every colour, says what it was, and never runs unasked."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import TINY, lively, tiny_card
from rolled import recording

from burst.__main__ import main
from burst.files.layouts.simulated import write_sequence
from burst.models.restorer import Restorer
from burst.network.card import Card
from burst.network.checkpoint import CheckpointError, choose, save
from burst.network.preparation import Preparation
from burst.pipeline import load
from burst.records import FIELDS, Burst, Level

PREPARATION = Preparation(("blended", "first_later"), ("exposure",), "rolling")


def card(**changes: object) -> Card:
    stages = load("rolling").before("correct").to_toml()
    known = replace(tiny_card("toy"), preparation=PREPARATION, pipeline=stages)
    return replace(known, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the only folder in which checkpoints are found, with a network that does something."""
    monkeypatch.setattr(
        "burst.network.checkpoint.search_path", lambda *names: [tmp_path / "checkpoints"]
    )
    save(tmp_path / "checkpoints/toy.safetensors", lively(TINY).state_dict(), card())
    return tmp_path / "checkpoints"


def run(*settings: str, colour: bool = False) -> tuple[Burst, Burst]:
    """Return a burst before and after the network."""
    sequence = recording()
    stack = sequence.luminance()
    if colour:
        several = np.stack([sequence.frames, sequence.frames // 2, sequence.frames], axis=-1)
        stack = replace(stack, colour=several)
    pipeline = load("rolling", ["correct.checkpoint='toy'", *settings])
    before = pipeline.before("correct").run(Burst(stack))
    return before, replace(pipeline, steps=pipeline.steps[-1:]).run(before)


def test_a_network_that_knows_nothing_yet_changes_nothing(folder):
    save(folder / "toy.safetensors", Restorer(TINY).state_dict(), card())
    before, after = run()
    torch.testing.assert_close(after.image, before.image.clamp(0, 1), atol=1e-5, rtol=0)


def test_a_network_is_told_of_no_more_than_it_has_learnt(folder, monkeypatch):
    save(
        folder / "toy.safetensors",
        lively(TINY).state_dict(),
        card(ranges={"exposure": (2.0, 3.0)}),
    )
    told = []

    def nothing(loaded, evidence, *rest):
        told.extend(evidence.scalars.tolist())
        return torch.zeros_like(evidence.base), None

    monkeypatch.setattr("burst.network.apply.correct", nothing)
    run()
    assert told == [2.0]


def test_it_changes_the_image_and_says_the_level(folder):
    before, after = run()
    changed = [f for f in FIELDS if getattr(after, f) is not getattr(before, f)]
    assert changed == ["level", "image", "correction"]
    assert after.image.shape == before.image.shape
    assert bool(after.image.isfinite().all())
    assert not torch.allclose(after.image, before.image)
    numbers = after.report.numbers("correct")
    assert numbers["checkpoint"] == "toy"
    assert numbers["correction_rms"] > 0
    assert json.loads(json.dumps(numbers)) == numbers


def test_where_no_frame_looks_nothing_is_corrected(folder):
    before, after = run()
    unseen = before.views.trust[0].amax(0) == 0
    assert 0 < int(unseen.sum()) < unseen.numel() / 10
    torch.testing.assert_close(
        after.image[unseen], before.image.clamp(0, 1)[unseen], atol=1e-5, rtol=0
    )


def test_every_colour_of_every_instant_is_corrected_as_it_would_be_alone(folder):
    _, several = run("unroll.instants=[0.0,1.0]", colour=True)
    _, alone = run("unroll.instants=[1.0]", colour=True)
    assert several.image.shape == (2, 3, 128, 160)
    torch.testing.assert_close(several.image[1], alone.image, atol=0.02, rtol=0)
    torch.testing.assert_close(several.image[:, 0], several.image[:, 2])


def test_the_instants_asked_for_are_no_reason_to_warn(folder):
    _, after = run("unroll.instants=[0.25]", "unroll.readout_ratio=0.7")
    assert not after.report.warnings
    _, after = run("unroll.order=1")
    assert "was trained with unroll.order = 0" in after.report.warnings[0]


def test_a_missing_checkpoint_ends_the_run_before_it_begins(folder, tmp_path, capsys):
    write_sequence(tmp_path / "pan", recording())
    words = ["run", "--stack", str(tmp_path / "pan"), "--out", str(tmp_path / "out")]
    missing = ["--pipeline", "rolling", "--set", "correct.checkpoint='none-such'"]
    assert main([*words, *missing]) == 5
    assert "expected one of toy" in capsys.readouterr().err
    assert not (tmp_path / "out" / "pan" / "restored.npy").exists()


@pytest.mark.parametrize("kind", ["turbulence", "dual_reversed"])
def test_a_network_for_something_else_is_refused(folder, kind):
    names = {"turbulence": (("merged", "noise"), ("noise",))}.get(
        kind, (PREPARATION.evidence, PREPARATION.scalars)
    )
    save(
        folder / "toy.safetensors",
        lively(TINY).state_dict(),
        card(preparation=Preparation(*names, kind)),
    )
    with pytest.raises(CheckpointError, match=f"for rolling, found one for {kind}"):
        run()


def test_a_network_for_shutters_is_never_chosen_for_a_stack(folder):
    with pytest.raises(CheckpointError, match="expected one for turbulence"):
        choose(Level(0.01, 1.0))


def test_kept_stages_give_the_same_bytes(folder, tmp_path):
    write_sequence(tmp_path / "pan", recording())
    words = ["run", "--stack", str(tmp_path / "pan"), "--out", str(tmp_path / "out")]
    words += ["--pipeline", "rolling", "--set", "correct.checkpoint='toy'", "--threads", "1"]
    assert main([*words, "--keep-stages"]) == 0
    result = tmp_path / "out" / "pan" / "restored.npy"
    first = result.read_bytes()
    result.unlink()
    (tmp_path / "out/pan/stages/correct.npz").unlink()
    assert main([*words, "--resume"]) == 0
    assert result.read_bytes() == first
