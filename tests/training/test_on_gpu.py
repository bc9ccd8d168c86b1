"""Training on a GPU, a pretend one: the same step, the same look at what is held out."""

from __future__ import annotations

import copy

import pytest
import torch
from pretend import pretend

from burst.data.samples.collection import keys_of
from burst.network.preparation import Preparation
from burst.training import loop
from burst.training.batches import Pool
from burst.training.checks import check
from burst.training.gradients import Eager
from burst.training.loop import Trainer
from burst.training.order import make_network
from burst.training.ranks import Ranks


def kind_of(ranks):
    """Return the kind of device of a process."""
    return "cuda" if ranks.on_gpu else "cpu"


@pytest.fixture
def make_trainer(collection, make_order, monkeypatch):
    """Return a function that makes a trainer of a recipe on a device, in 16 bits on both; the
    pretend GPU cannot record a graph."""
    monkeypatch.setattr(
        loop, "make_gradients", lambda objective, ranks, _: Eager(objective, True, kind_of(ranks))
    )

    def make(recipe, device):
        order = make_order(recipe, "training.bfloat16=true")
        held_out = [
            Pool(
                collection,
                [key for key in keys_of(order.levels, 2, 1) if key.held_out == apart],
                Preparation(),
                device,
            )
            for apart in (False, True)
        ]
        settings, network = order.recipe.training, order.recipe.network
        model = make_network(network, settings.seed, None)
        with torch.no_grad():
            # The first step of a new network moves by the sign of gradients that are rounding.
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        model = model.to(device)
        teacher = copy.deepcopy(model) if network.teacher else None
        ranks = Ranks(device=device)
        return Trainer(model, teacher, settings, *held_out, None, None, ranks, print)

    return make


@pytest.mark.parametrize("recipe", ["plain", "student", "teacher"])
def test_steps_are_those_of_the_cpu(recipe, make_trainer):
    def trained(device):
        trainer, losses, gradients = make_trainer(recipe, device), [], []
        for step in range(2):
            trainer.step = step
            parts = trainer._step(0.1 * step)
            assert parts["total"].device.type == device
            losses.append(float(parts["total"].detach()))
            gradients.append(float(parts["gradient"]))
        assert all(p.device.type == device for p in trainer.model.parameters())
        return losses, gradients

    here = trained("cpu")
    with pretend():
        there = trained("cuda")
    for ours, theirs in zip(here, there, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-3)


def test_what_is_held_out_is_looked_at_on_the_gpu(make_trainer):
    def scores(device):
        trainer = make_trainer("student", device)
        return check(trainer.model, trainer.held_out, trainer.held_out.keys, lambda _: None)

    here = scores("cpu")
    with pretend():
        there = scores("cuda")
    for level, images in here.items():
        for name, psnr in images.items():
            assert there[level][name] == pytest.approx(psnr, abs=1e-3)
