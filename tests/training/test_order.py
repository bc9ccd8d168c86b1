"""Orders: new networks, parents and teachers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from burst.checkpoint import CheckpointError, load, read_card
from burst.config import ConfigError
from burst.training.order import carry_out, make_network
from burst.training.recipe import load_recipe

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
    parent = load(carry_out(make_order("student", SHORT, name="base"), print))
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
    path = carry_out(make_order("student", SHORT, parent=str(teacher)), print)
    card = read_card(path)
    assert set(card.priors) == {"encoder", "diffusion"}
    assert set(card.scores["low"]) == {"classical", "encoder", "diffusion"}
    assert card.parent == "teacher"
    assert not any(name.startswith("truth_encoder") for name in load_file(path))


def test_finetuning_goes_on_with_its_parent(make_order):
    parent = carry_out(make_order("student", SHORT, name="base"), print)
    order = make_order("finetune", "training.steps=1", "training.rate=1e-9", parent=str(parent))
    child = carry_out(order, print)
    assert read_card(child).spec == read_card(parent).spec
    before, after = load_file(parent), load_file(child)
    for name in before:
        torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=0)


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
