"""Deviations: learnt without a change of the image, and calibrated so that intervals hold."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from burst.data.samples.collection import keys_of
from burst.models.restorer import Restorer
from burst.network.checkpoint import load
from burst.network.preparation import Preparation
from burst.settings import ConfigError
from burst.training.batches import Pool
from burst.training.calibration import REACH, SHARE, calibrate
from burst.training.losses import likelihood
from burst.training.order import carry_out
from burst.training.recipe import BORDER, load_recipe

INSIDE = (slice(BORDER, -BORDER),) * 2


@pytest.fixture
def held_out(collection):
    return Pool(
        collection, [k for k in keys_of(("low", "high"), 2, 1) if k.held_out], Preparation(), "cpu"
    )


def shares_inside(model: Restorer, pool: Pool) -> list[float]:
    """Return the share of errors within the interval of each sample."""
    shares = []
    for key in pool.keys:
        batch = pool.whole(key)
        said = model(batch.evidence, batch.scalars)[0]
        error = (batch.base[0, 0] + said[0] - batch.truth[0, 0]).abs()
        shares.append(float((error <= REACH * said[1].exp())[INSIDE].float().mean()))
    return shares


def test_the_image_stays_and_intervals_hold_what_they_claim(make_order, held_out):
    parent = make_order("plain", "training.steps=2", name="parent")
    (before,) = carry_out(parent, print)
    said = []
    (after,) = carry_out(
        make_order("deviation", "training.steps=30", parent=str(parent.folder)), said.append
    )
    weights = load_file(after)
    for name, own in load_file(before).items():
        assert torch.equal(weights[name], own), name
    assert set(weights) - set(load_file(before)) == {
        f"backbone.deviation.{i}.{what}" for i in (0, 2) for what in ("weight", "bias")
    }
    loaded = load(after)
    card, old = loaded.card, load(before).card
    assert card.spec.deviation
    # The image is the parent's, and so is all that decides where and how it is used.
    assert (card.level, card.priors, card.scores) == (old.level, old.priors, old.scores)
    assert card.training["deviation"]["steps"] == 30
    assert any("deviations are multiplied by" in line for line in said)
    with torch.no_grad():
        shares = shares_inside(loaded.model, held_out)
    assert sum(shares) / len(shares) == pytest.approx(SHARE, abs=0.06)


def test_calibration_undoes_a_wrong_scale(make_order, held_out):
    parent = make_order("plain", "training.steps=2", name="parent")
    carry_out(parent, print)
    (path,) = carry_out(
        make_order("deviation", "training.steps=2", parent=str(parent.folder)), print
    )
    model = load(path).model
    last = model.backbone.deviation[2]
    assert isinstance(last, nn.Conv2d)
    with torch.no_grad():
        last.bias.add_(math.log(3.0))
    assert calibrate(model, held_out, held_out.keys) == pytest.approx(1 / 3, rel=1e-3)
    assert calibrate(model, held_out, held_out.keys) == pytest.approx(1, rel=1e-3)


def test_the_likeliest_deviation_is_that_of_the_errors():
    error = 0.2 * torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    losses = {
        s: float(likelihood(error, torch.full_like(error, math.log(s))))
        for s in (0.1, 0.15, 0.2, 0.25, 0.4)
    }
    assert min(losses, key=losses.__getitem__) == 0.2


def test_a_deviation_needs_an_image_that_is_trained_already(make_order):
    with pytest.raises(ConfigError, match="--parent with a run"):
        carry_out(make_order("deviation"), print)
    with pytest.raises(ConfigError, match="learns how far a parent's image is off"):
        load_recipe("student", ("training.loss=likelihood",))
