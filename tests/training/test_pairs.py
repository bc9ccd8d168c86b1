"""Training on pairs: what was read is all there is to learn from."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from rolled import recording

from burst.__main__ import main
from burst.data.samples.collection import keys_of, open_collection
from burst.data.samples.draws import generator_of
from burst.data.samples.pairs import sample_of_pair
from burst.data.samples.turbulence import SampleKey
from burst.files.layouts.simulated import write_sequence
from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec
from burst.network.checkpoint import read_card
from burst.network.preparation import Preparation
from burst.records import Shutter
from burst.training.order import Order, carry_out
from burst.training.pairs import (
    MARGIN,
    CycleObjective,
    PairBatch,
    PairPool,
    cycle_psnr,
    predict_instants,
    variation,
)
from burst.training.recipe import Training, load_recipe, with_pairs

KEY, INNER = SampleKey("low", 0), slice(24, -24)
PLANES = Preparation(("blended", "first", "second"), ("noise",), "dual_reversed")
SPEC = RestorerSpec(
    evidence=3, scalars=1, channels=3, width=8, depths=(1, 1), prior_width=8, head_width=8
)


SETTINGS = (
    "network.width=8", "network.depths=[1, 1]", "network.prior_width=8", "network.head_width=8",
    "samples.size=96", "training.samples=2", "training.held_out=1", "training.batch=1",
    "training.crop=24", "training.steps=2", "training.check_every=2", "training.rate=1e-4",
)  # fmt: skip


class Shelf:
    """A collection of one pair."""

    def __init__(self):
        stack = recording(Shutter.DUAL_REVERSED).luminance()
        self.sample = sample_of_pair(KEY, "dual_reversed", stack, stack, 0.5)

    def present(self, keys):
        return keys

    def load(self, key, device):
        return self.sample


@pytest.fixture(scope="module")
def shelf():
    return Shelf()


@pytest.fixture
def pool(shelf):
    return PairPool(shelf, [KEY], PLANES, "cpu")


def network() -> Restorer:
    torch.manual_seed(0)
    return Restorer(SPEC)


def test_a_batch_holds_no_truth(pool):
    names = {f.name for f in fields(PairBatch)}
    assert names == {
        "evidence", "scalars", "base", "velocity", "frames", "times", "offset", "instants",
    }  # fmt: skip
    batch = pool.draw(3, 48, generator_of(0, 0))
    assert batch.evidence.shape == (3, 3, 3, 48, 48)
    assert batch.frames.shape == batch.times.shape == (3, 2, 48, 48)


def test_mirrored_columns_move_the_other_way(pool):
    across = [
        float(pool.draw(1, 48, generator_of(0, k)).velocity[0, :, 0].median()) for k in range(9)
    ]
    assert min(across) < -4
    assert max(across) > 4
    for step in range(9):
        batch = pool.draw(1, 64, generator_of(0, step))
        assert cycle_psnr(batch.base, batch.velocity, batch) > 28


def test_a_network_that_knows_nothing_yet_gives_what_geometry_made(pool):
    batch = pool.whole(KEY)
    images, velocity = predict_instants(network(), batch, "encoder", None)
    assert torch.equal(images, batch.base)
    assert torch.equal(velocity, batch.velocity)


def test_a_wrong_velocity_shows_in_the_cycle(pool):
    batch = pool.whole(KEY)
    right = cycle_psnr(batch.base, batch.velocity, batch)
    assert right > cycle_psnr(batch.base, batch.velocity * 1.5, batch) + 3


def test_training_mends_what_geometry_got_wrong(pool):
    batch = pool.whole(KEY)
    spoiled = replace(batch, base=batch.base + 0.1, evidence=batch.evidence + 0.1)
    model = network()
    objective = CycleObjective(model, None, Training(loss="absolute", prior=0.1))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(25):
        parts = objective(spoiled.window(INNER, INNER), "encoder", None)
        optimizer.zero_grad()
        parts["total"].backward()
        optimizer.step()
    with torch.no_grad():
        images, velocity = predict_instants(model, spoiled, "encoder", None)
    before = cycle_psnr(spoiled.base, spoiled.velocity, spoiled)
    assert cycle_psnr(images, velocity, spoiled) > before + 3


def test_a_teacher_that_sees_more_around_teaches_what_it_saw(pool):
    pool.margin = MARGIN
    batch = pool.draw(1, 48, generator_of(0, 0))
    assert batch.base.shape[-1] == 48 + 2 * MARGIN
    teacher, student = network(), network()
    with torch.no_grad():
        for parameter in teacher.backbone.head.parameters():
            parameter.add_(0.05)
    parts = CycleObjective(student, teacher, Training(loss="absolute", prior=0.1))(
        batch, "encoder", None
    )
    assert float(parts["taught"].detach()) > 0.01
    parts["total"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_an_even_field_does_not_vary():
    assert float(variation(torch.full((1, 3, 2, 8, 8), 5.0))) == 0
    assert float(variation(torch.rand(1, 3, 2, 8, 8))) > 0


@pytest.fixture
def order(tmp_path, pair_folder):
    """Return the order of a small run that has two recorded pairs and nothing else."""
    recipe, _ = with_pairs(load_recipe("dual_reversed", SETTINGS))
    made = open_collection(tmp_path / "samples", recipe.samples, [str(pair_folder)])
    assert len(list(made.fill(keys_of(("recorded",), 2, 1)))) == 3
    return Order(recipe, ("recorded",), made, (str(pair_folder),), tmp_path / "first")


def test_a_folder_of_pairs_is_all_that_training_needs_in_both_stages(order):
    assert not [path for path in order.images if "GS" in path or "truth" in path]
    card = read_card(*carry_out(order, lambda text: None))
    assert card.preparation.kind == "dual_reversed"
    assert card.training["data"] == ["pairs (2 images)"]
    assert set(card.scores) == {"recorded"}
    second = replace(order, parent=str(order.folder), folder=order.folder.with_name("second"))
    assert read_card(*carry_out(second, lambda text: None)).parent == "first"


def test_a_recipe_of_no_shutter_is_refused(pair_folder, tmp_path, capsys):
    words = ["train", "--recipe", "student", "--pairs", str(pair_folder)]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "Pass --recipe rolling" in capsys.readouterr().err


def test_recordings_with_truths_train_what_needs_them(tmp_path):
    write_sequence(tmp_path / "pan", recording(frames=2))
    kept = [text for text in SETTINGS if "channels" not in text]
    recipe, levels = with_pairs(load_recipe("rolling", kept))
    made = open_collection(tmp_path / "samples", recipe.samples, [str(tmp_path / "pan")])
    list(made.fill(keys_of(levels, 2, 1)))
    order = Order(recipe, levels, made, (str(tmp_path / "pan"),), tmp_path / "run")
    card = read_card(*carry_out(order, lambda text: None))
    assert card.preparation.kind == "rolling"
    assert set(card.scores) == {"recorded"}
