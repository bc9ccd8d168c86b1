"""A network for photographs is trained like any other, and `denoise` uses it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burst.data.handheld import simulate_handheld
from burst.data.samples.collection import open_collection
from burst.data.scenes import read_colours
from burst.export import use_of
from burst.models.restorer import Restorer
from burst.network.checkpoint import load as load_checkpoint
from burst.network.checkpoint import save
from burst.pipeline import load
from burst.records import Burst
from burst.settings import ConfigError
from burst.training.order import Order, carry_out
from burst.training.recipe import load_recipe

SETTINGS = (
    "network.width=8", "network.depths=[1, 1]", "samples.size=64", "samples.frames=[3, 4]",
    "training.samples=2", "training.held_out=1", "training.batch=2", "training.crop=32",
    "training.steps=4", "training.check_every=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return the checkpoint of a network that has learnt for a moment."""
    place = tmp_path_factory.mktemp("handheld")
    recipe = load_recipe("handheld", SETTINGS)
    collection = open_collection(place / "samples", recipe.samples, [])
    order = Order(recipe, ("low", "high"), collection, (), place / "run")
    return carry_out(order, lambda _: None)[0]


@pytest.fixture(scope="module")
def burst():
    return simulate_handheld(read_colours("coffee")[:, :200, :200], 1600, 4, seed=1)


def run(stack, *settings):
    return load("handheld", settings).run(Burst(stack))


def test_a_run_writes_a_network_of_three_colours(network):
    card = load_checkpoint(network).card
    assert (card.spec.channels, card.preparation.kind, card.priors) == (3, "handheld", ("none",))
    assert set(card.scores) == {"low", "high"}
    assert "denoise" not in card.pipeline
    assert "--set denoise.checkpoint=" in use_of(card)


def test_it_changes_the_image_and_says_so(network, burst):
    before = run(burst.stack, "denoise.checkpoint=none")
    after = run(burst.stack, f"denoise.checkpoint='{network}'")
    assert before.correction is None
    assert after.correction.rms > 0
    assert not torch.equal(before.image, after.image)
    assert not [text for entry in after.report.entries for text in entry.warnings]


def test_a_network_that_has_learnt_nothing_changes_nothing(network, burst, tmp_path):
    card = load_checkpoint(network).card
    save(tmp_path / "new.safetensors", Restorer(card.spec).state_dict(), card)
    before = run(burst.stack, "denoise.checkpoint=none")
    after = run(burst.stack, f"denoise.checkpoint='{tmp_path / 'new.safetensors'}'")
    torch.testing.assert_close(after.image, before.image, atol=1e-6, rtol=1e-4)


def test_large_images_go_through_it_in_tiles(network, burst, monkeypatch):
    whole = run(burst.stack, f"denoise.checkpoint='{network}'")
    monkeypatch.setattr("burst.stages.denoise.WHOLE", 0)
    tiled = run(burst.stack, f"denoise.checkpoint='{network}'")
    torch.testing.assert_close(tiled.image, whole.image, atol=1e-5, rtol=1e-4)


def test_images_of_one_channel_stay_as_they_are(network, burst):
    sensor = replace(burst.stack.sensor, cfa="mono", white_balance=(1.0, 1.0, 1.0))
    mono = replace(burst.stack, frames=burst.stack.frames[:, ::2, 1::2].copy(), sensor=sensor)
    before, after = (
        run(mono, f"denoise.checkpoint='{name}'").image for name in ("none", str(network))
    )
    assert torch.equal(before, after)


def test_no_strength_leaves_all_noise(network, burst):
    asked, plain = (
        run(burst.stack, "denoise.strength=0", f"denoise.checkpoint='{name}'").image
        for name in ("none", str(network))
    )
    assert torch.equal(asked, plain)


def test_networks_of_other_channels_are_refused():
    with pytest.raises(ConfigError, match=r"channels: expected 3 with samples\.kind = handheld"):
        load_recipe("handheld", ["network.channels=1"])
