"""Losses, and where a prior comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burst.data.samples.draws import generator_of
from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec
from burst.training.batches import Batch
from burst.training.losses import (
    Objective,
    charbonnier,
    choose_source,
    decibels,
    draw_noise,
    prior_of,
    squared,
)
from burst.training.recipe import Training

SPEC = {"evidence": 2, "scalars": 3, "width": 8, "depths": (1, 1), "prior_width": 8,
        "head_width": 8}  # fmt: skip
AIMS = Training(loss="absolute", prior=0.5)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 2, 32, 32), (2, 3), (2, 1, 32, 32), (2, 1, 32, 32))
    images = (torch.rand(shape, generator=generator) for shape in shapes)
    return Batch(*images, error=torch.ones(2, 1, 1, 1))


def network(**fields):
    torch.manual_seed(0)
    return Restorer(RestorerSpec(**{**SPEC, **fields}))


def loss(model, batch, source, teacher=None):
    return Objective(model, teacher, AIMS)(
        batch, source, draw_noise(model, 2, source, generator_of(0, 0))
    )


def test_no_error_is_no_loss(batch):
    assert float(charbonnier(batch.truth, batch.truth, batch.error)) == pytest.approx(0, abs=1e-9)
    assert float(squared(batch.truth, batch.truth, batch.error)) == 0


def test_charbonnier_is_the_mean_error_where_it_is_large(batch):
    loss = charbonnier(batch.truth + 1, batch.truth, batch.error)
    assert float(loss) == pytest.approx(1, abs=2e-3)


def test_errors_count_in_units_of_the_classical_one_s(batch):
    units = torch.tensor([0.1, 0.4]).reshape(2, 1, 1, 1)
    wrong = batch.truth + units
    assert float(charbonnier(wrong, batch.truth, units)) == pytest.approx(1, abs=0.02)
    squares = [float(squared(wrong, batch.truth, k * units)) for k in (1, 2)]
    assert squares[0] == pytest.approx(4 * squares[1])


def test_squared_errors_ask_for_the_mean_and_absolute_ones_for_the_median():
    maybe = torch.tensor([0.0, 0.0, 0.0, 1.0]).reshape(4, 1, 1, 1)
    one = torch.ones(4, 1, 1, 1)
    guesses = [g * one for g in (0.0, 0.25, 0.5)]
    squares = [float(squared(g, maybe, one)) for g in guesses]
    absolutes = [float(charbonnier(g, maybe, one)) for g in guesses]
    assert squares.index(min(squares)) == 1
    assert absolutes.index(min(absolutes)) == 0


def test_decibels_count_every_image_alike_and_squares_the_worst():
    truth, unit = torch.zeros(2, 1, 8, 8), torch.full((2, 1, 1, 1), 0.1)
    output = torch.tensor([0.1, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    found = []
    for of in (squared, decibels):
        free = output.clone().requires_grad_()
        of(free, truth, unit).backward()
        # What is gained where each image's error shrinks by the same share of itself.
        found.append((free.grad * output).sum((1, 2, 3)))
    assert float(found[0][1] / found[0][0]) == pytest.approx(100)
    assert float(found[1][1] / found[1][0]) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("loss", ["absolute", "squared", "decibels"])
def test_gradients_follow_the_loss_that_is_chosen(batch, loss):
    model = network(prior="none")
    parts = Objective(model, None, Training(loss=loss, prior=0.1))(batch, None, None)
    parts["total"].backward()
    of = {"absolute": charbonnier, "squared": squared, "decibels": decibels}[loss]
    assert float(parts["image"].detach()) == pytest.approx(
        float(of(batch.base, batch.truth, batch.error))
    )
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_total_is_the_weighted_sum(batch):
    teacher = network(prior="grid", teacher=True)
    parts = loss(network(prior="grid"), batch, "encoder", teacher)
    expected = parts["image"] + 0.5 * parts["prior"]
    assert float(parts["total"].detach()) == pytest.approx(float(expected.detach()))


def test_first_image_is_the_classical_one(batch):
    parts = loss(network(prior="none"), batch, None)
    assert float(parts["image"].detach()) == pytest.approx(
        float(charbonnier(batch.base, batch.truth, batch.error))
    )


@pytest.mark.parametrize("source", ["encoder", "diffusion"])
def test_student_learns_its_teacher_s_prior(batch, source):
    model, teacher = network(), network(teacher=True)
    loss(model, batch, source, teacher)["prior"].backward()
    moved = {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert moved == ({"encoder"} if source == "encoder" else {"encoder", "denoiser"})
    assert all(p.grad is None for p in teacher.parameters())


def test_guide_is_not_trained():
    objective = Objective(network(), network(teacher=True), AIMS)
    assert len(list(objective.parameters())) == len(list(network().parameters()))


def test_teacher_sees_the_truth(batch):
    model = network(teacher=True)
    tokens = prior_of(model, batch, "truth", None)
    other = replace(batch, truth=batch.truth.flip(-1))
    assert not torch.equal(tokens, prior_of(model, other, "truth", None))


def test_both_sources_are_drawn():
    drawn = {choose_source(("encoder", "diffusion"), generator_of(0, step)) for step in range(20)}
    assert drawn == {"encoder", "diffusion"}
    assert choose_source((), generator_of(0, 0)) is None
