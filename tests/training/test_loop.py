"""Training: the same result whatever cut it, and a stop where it goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from burst.data.samples.collection import Collection
from burst.data.samples.draws import generator_of
from burst.data.samples.turbulence import SampleKey
from burst.network.checkpoint import read_card
from burst.progress import listening_to
from burst.records import Level
from burst.settings import ConfigError
from burst.training import loop
from burst.training.batches import Pool
from burst.training.loop import Trainer, TrainingError
from burst.training.losses import Objective
from burst.training.order import carry_out
from burst.training.workers import Workers


def weights(path):
    """Return the weights of a trained network."""
    return load_file(path)


def same(one, two):
    """Whether two networks have the same weights, bit for bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture
def cut(monkeypatch):
    """Return a function that has the next run be cut after so many steps."""

    def after(steps):
        step = Trainer._step

        def until(self, share):
            if self.step == steps:
                raise KeyboardInterrupt
            return step(self, share)

        monkeypatch.setattr(Trainer, "_step", until)
        monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
        return lambda: monkeypatch.setattr(Trainer, "_step", step)

    return after


@pytest.mark.parametrize("steps", [5, 7])
def test_cut_and_resumed_equals_undisturbed(make_order, cut, steps):
    (whole,) = carry_out(make_order(name="whole"), print)
    mend = cut(steps)
    with pytest.raises(KeyboardInterrupt):
        carry_out(make_order(name="parts"), print)
    mend()
    said = []
    (parts,) = carry_out(make_order(name="parts", resume=True), said.append)
    assert any(f"goes on after step {steps}" in line for line in said)
    assert same(weights(whole), weights(parts))


def test_seed_decides_the_weights(make_order):
    (one,), (two,), (other,) = (
        carry_out(make_order("plain", "training.steps=2", f"training.seed={s}", name=name), print)
        for name, s in (("one", 0), ("two", 0), ("other", 1))
    )
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_training_lowers_the_loss(make_order, monkeypatch):
    losses, batches = [], []
    step, draw = Trainer._step, Pool.draw

    def watched(self, share):
        parts = step(self, share)
        losses.append(float(parts["image"].detach()))
        return parts

    def same_batch(pool, *_):
        batches[:] = batches or [draw(pool, 2, 32, generator_of(0, 0))]
        return batches[0]

    # One batch for all steps, so that the loss can be compared.
    monkeypatch.setattr(Pool, "draw", same_batch)
    monkeypatch.setattr(Trainer, "_step", watched)
    carry_out(make_order("plain", "training.steps=40", "training.rate=3e-3"), print)
    assert losses[-1] < 0.95 * losses[0]


def test_scalars_of_every_crop_are_varied_where_asked(make_order, monkeypatch):
    seen, forward = [], Objective.forward

    def watched(self, batch, *rest):
        seen.append(batch.scalars)
        return forward(self, batch, *rest)

    monkeypatch.setattr(Objective, "forward", watched)
    for name, jitter in (("told", 0.0), ("varied", 0.3), ("again", 0.3)):
        order = make_order("plain", "training.steps=4", f"training.jitter={jitter}", name=name)
        carry_out(order, print)
    told, varied, again = torch.stack(seen).split(4)
    assert 0.15 < (varied - told).std() < 0.45
    assert torch.equal(varied, again)


def test_card_says_what_it_was_trained_on(make_order):
    card = read_card(*carry_out(make_order("plain", "training.steps=3"), print))
    assert card.priors == ("none",)
    assert card.training["noise levels"] == ["low", "high"]
    assert (card.training["steps"], card.training["samples"]) == (3, 4)
    assert set(card.scores["low"]) == {"classical", "network"}
    assert card.level.noise[0] < card.level.noise[1] < 0.2


def test_scenes_where_nothing_is_seen_say_nothing_of_the_range(make_order, monkeypatch):
    before = read_card(*carry_out(make_order("plain", "training.steps=2", name="a"), print))
    load = Collection.load

    def with_a_plain_one(self, key, device="cpu"):
        sample = load(self, key, device)
        if key != SampleKey("low", 0):
            return sample
        return replace(sample, base=torch.zeros_like(sample.base), level=Level(5.0, 50.0))

    monkeypatch.setattr(Collection, "load", with_a_plain_one)
    card = read_card(*carry_out(make_order("plain", "training.steps=2", name="b"), print))
    assert card.training["samples"] == before.training["samples"] == 4
    assert card.level.noise[1] < 0.2
    assert card.level.displacement[1] < 2 * before.level.displacement[1] < 50


def test_seconds_are_a_budget(make_order):
    card = read_card(*carry_out(make_order("plain", "training.seconds=1.5"), print))
    assert 1 <= card.training["seconds"] <= 3


def test_nonsense_stops_with_a_sentence(make_order, monkeypatch):
    step = Trainer._step

    def spoilt(self, share):
        return {**step(self, share), "total": torch.tensor(float("nan"))}

    monkeypatch.setattr(Trainer, "_step", spoilt)
    with pytest.raises(TrainingError, match=r"expected a finite total, found nan at step 5"):
        carry_out(make_order("plain"), print)


def test_network_that_spoils_the_image_stops(make_order):
    order = make_order("plain", "training.rate=3.0", "training.clip=1e6", "training.average=0")
    with pytest.raises(TrainingError, match=r"expected (an image no worse|a finite)"):
        carry_out(order, print)


def test_run_is_not_written_over(make_order):
    carry_out(make_order("plain", "training.steps=1"), print)
    with pytest.raises(ConfigError, match="Pass --resume to go on"):
        carry_out(make_order("plain", "training.steps=1"), print)


def test_run_goes_on_with_its_own_settings_only(make_order):
    carry_out(make_order("plain", "training.steps=1"), print)
    with pytest.raises(ConfigError, match=r"training\.rate = 0\.001, now 0\.1"):
        carry_out(make_order("plain", "training.rate=0.1", resume=True), print)
    # The budget may grow.
    carry_out(make_order("plain", "training.steps=2", resume=True), print)


def test_broken_state_is_explained(make_order):
    order = make_order("plain", "training.steps=1")
    carry_out(order, print)
    (order.folder / "state.pt").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"expected the state of a run"):
        carry_out(make_order("plain", "training.steps=1", resume=True), print)


def test_the_countdown_never_turns_negative(make_order, monkeypatch):
    said = []
    monkeypatch.setattr(loop, "LOG_EVERY", -1.0)
    monkeypatch.setattr(loop, "LOSS_EVERY", 1)
    # The last look comes when the budget is long spent.
    carry_out(make_order("plain", "training.seconds=0.2", "training.steps=1"), said.append)
    left = [line for line in said if line.endswith("left")]
    assert left
    assert not any("-" in line.rpartition(",")[2] for line in left)
    assert "100%" in left[-1]


def test_parent_stands_beside_the_child(make_order):
    first = make_order("plain", "training.steps=2", name="parent")
    carry_out(first, print)
    said = []
    (child,) = carry_out(
        make_order("finetune", "training.steps=2", name="child", parent=str(first.folder)),
        said.append,
    )
    before, after = (read_card(path) for path in (first.folder / "network.safetensors", child))
    assert after.scores["low"]["parent"] == pytest.approx(before.scores["low"]["network"], abs=0.01)
    assert any(", parent " in line and ", network " in line for line in said)


def test_a_short_budget_is_told_that_samples_are_the_wait(make_order, monkeypatch):
    said = []
    monkeypatch.setattr(Workers, "seconds_left", lambda *_: 3600.0)
    carry_out(make_order("plain", "training.seconds=0.2", "training.steps=1"), said.append)
    (line,) = [line for line in said if "samples are the wait" in line]
    assert "--prepare-only 2" in line


def test_a_listener_hears_training_move(make_order):
    shares = []
    with listening_to(lambda names, share: shares.append(share)):
        carry_out(make_order("plain", "training.steps=4"), print)
    assert shares == sorted(shares)
    assert {0.25, 0.5, 0.75, 1.0} <= set(shares)
