"""Orders: new networks, parents and teachers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from networks import tiny_card
from safetensors.torch import load_file

from burst.network.checkpoint import CheckpointError, load, read_card
from burst.settings import ConfigError
from burst.training.loop import Trainer
from burst.training.order import carry_out, lineage, make_network
from burst.training.recipe import load_recipe, of_one_level

SHORT = "training.steps=2"


@pytest.fixture
def teacher(make_order):
    """Return the folder of a teacher's run."""
    order = make_order("teacher", SHORT, name="teacher")
    carry_out(order, print)
    return order.folder


def test_teacher_takes_its_prior_from_the_truth(teacher):
    card = read_card(teacher / "network.safetensors")
    assert card.priors == ("truth",)
    assert set(card.scores["high"]) == {"classical", "truth"}


def test_student_begins_with_its_teacher_s_backbone(teacher):
    parent = load(teacher / "network.safetensors")
    spec = load_recipe("student", [f"network.{k}" for k in ("width=8", "depths=[1, 1]",
                       "prior_width=8", "head_width=8")]).network  # fmt: skip
    model = make_network(spec, 0, parent)
    for name, tensor in parent.model.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], tensor)


def test_a_deeper_network_begins_as_its_parent(make_order):
    parent = load(*carry_out(make_order("student", SHORT, name="base"), print))
    deeper = replace(parent.card.spec, depths=(3, 2))
    model = make_network(deeper, 0, parent)
    evidence, scalars = torch.rand(2, deeper.evidence, 32, 48), torch.rand(2, deeper.scalars)
    grown, before = (m.predict(evidence, scalars, "encoder") for m in (model, parent.model))
    torch.testing.assert_close(grown, before)
    assert bool(before.any())

    grown.square().mean().backward()
    block = model.backbone.encoders[0][2]
    assert float(block.branch_1.factor.grad.abs().max()) > 0
    assert float(block.branch_2.factor.grad.abs().max()) > 0


def test_student_with_a_teacher_knows_both_sources(make_order, teacher):
    (path,) = carry_out(make_order("student", SHORT, parent=str(teacher)), print)
    card = read_card(path)
    assert set(card.priors) == {"encoder", "diffusion"}
    assert set(card.scores["low"]) == {"classical", "encoder", "diffusion"}
    assert card.parent == "teacher"
    assert not any(name.startswith("truth_encoder") for name in load_file(path))


def test_finetuning_goes_on_with_its_parent(make_order):
    (parent,) = carry_out(make_order("student", SHORT, name="base"), print)
    order = make_order("finetune", "training.steps=1", "training.rate=1e-9", parent=str(parent))
    (child,) = carry_out(order, print)
    assert read_card(child).spec == read_card(parent).spec
    before, after = load_file(parent), load_file(child)
    for name in before:
        torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=0)


def test_each_level_goes_on_by_itself(make_order, tmp_path):
    order = make_order("student", "training.steps=8", "training.each=0.25")
    base, low, high = carry_out(order, print)
    assert [p.parent for p in (base, low, high)] == [
        tmp_path / "run", tmp_path / "run/low", tmp_path / "run/high",
    ]  # fmt: skip
    for level, card in (("low", read_card(low)), ("high", read_card(high))):
        assert (card.name, card.parent) == (level, "run")
        assert card.training["noise levels"] == [level]
        assert (card.training["recipe"], card.training["steps"]) == ("finetune", 2)
        assert card.training["rate"] == load_recipe("finetune").training.rate
        assert card.training["samples"] == 2
        (before,) = card.training["runs before"]
        assert before.startswith("student, low and high, 4 samples, 8 steps, ")
    before, after = load_file(base), load_file(low)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_one_level_is_trained_once(make_order):
    order = make_order("student", "training.steps=1", "training.each=0.5", levels=("low",))
    assert len(carry_out(order, print)) == 1


def test_levels_share_the_budget_in_seconds():
    whole = load_recipe("student", ["training.seconds=100", "training.each=0.1"])
    own = of_one_level(whole)
    assert own.training.seconds == pytest.approx(10)
    assert (own.training.each, own.samples) == (0, whole.samples)


def test_a_level_that_was_cut_goes_on(make_order, monkeypatch):
    settings = ("training.steps=4", "training.each=0.5")
    whole = carry_out(make_order("student", *settings), print)
    step, done = Trainer._step, []

    def cut_short(self, share):
        done.append(share)
        if len(done) == 6:  # the second step of the first level
            raise KeyboardInterrupt
        return step(self, share)

    order = make_order("student", *settings, name="cut")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            carry_out(order, print)
    for one, other in zip(whole, carry_out(replace(order, resume=True), print), strict=True):
        expected, found = load_file(one), load_file(other)
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_finetuning_needs_a_parent(make_order):
    with pytest.raises(ConfigError, match="Pass --parent"):
        carry_out(make_order("finetune"), print)


def test_parent_without_a_network_is_explained(make_order, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"expected a run with network\.safetensors"):
        carry_out(make_order("finetune", parent=str(tmp_path / "empty")), print)
    with pytest.raises(CheckpointError, match="expected one of"):
        carry_out(make_order("finetune", parent="none-such"), print)


def test_other_parent_is_refused(make_order, teacher):
    with pytest.raises(ConfigError, match="Train the parent with the same settings"):
        carry_out(make_order("student", "network.width=16", parent=str(teacher)), print)


def test_a_card_tells_all_runs_before():
    said = {"recipe": "student", "noise levels": ["low"], "steps": 5, "seconds": 7, "samples": 3}
    mixed = {"mean of weights with": ["other (9 steps)"], "runs before": ["plain, low, 1 steps"]}
    assert lineage(replace(tiny_card(), training=said)) == [
        "student, low, 3 samples, 5 steps, 7 seconds"
    ]
    assert lineage(replace(tiny_card(), training={**said, **mixed})) == [
        "plain, low, 1 steps",
        "student, low, 3 samples, 5 steps, 7 seconds, mean of weights with other (9 steps)",
    ]
    assert lineage(replace(tiny_card(), training={})) == ["unknown, unknown"]
