"""The networks that are shipped: true cards, each chosen for its level, none inventing detail."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from burst.card import card_text
from burst.checkpoint import choose, load, name_of, read_card
from burst.data.levels import find_level, read_levels
from burst.data.simulate import simulate
from burst.data.targets import draw_target
from burst.measure.scores import score
from burst.ops.color import linear_to_display
from burst.pipeline import load as load_pipeline
from burst.pipeline import run_step
from burst.records import Burst

FOLDER = Path(__file__).parents[1] / "checkpoints"
SHIPPED = sorted(FOLDER.glob("*.safetensors"))
LARGEST = 16 * 2**20  # bytes
LEVELS = tuple(read_levels())


def restored(scene: torch.Tensor, level: str, seed: int = 0) -> tuple[Burst, Burst, torch.Tensor]:
    """Return a burst before and after the network, and the scene as it was seen."""
    conditions = find_level(level).point()
    simulated = simulate(scene, conditions, torch.Generator().manual_seed(seed), 30, (128, 128))
    pipeline = load_pipeline("turbulence")
    network = pipeline.steps[-1]
    before = pipeline.before(network.name).run(Burst(simulated.stack))
    return before, run_step(network, before), simulated.truth.scene


def test_every_level_has_its_network():
    assert {path.stem for path in SHIPPED} >= {f"turbulence-{level}" for level in LEVELS}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_card_beside_a_network_is_the_one_in_it(path):
    assert path.with_suffix(".md").read_text("utf-8") == card_text(read_card(path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_network_is_small_and_takes_its_prior_from_either_source(path):
    assert path.stat().st_size <= LARGEST
    card = load(path, "cpu").card
    assert set(card.priors) == {"encoder", "diffusion"}
    assert card.training["licences"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_restored_by_its_own_network_and_better_than_without(level):
    target = draw_target(160, torch.Generator().manual_seed(7)).image
    before, after, truth = restored(target, level)
    assert before.level is not None
    assert name_of(choose(before.level)) == f"turbulence-{level}"
    assert score(after.image, truth).psnr > score(before.image, truth).psnr


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_seen_where_nothing_is(level):
    _, after, _ = restored(torch.full((160, 160), 0.3), level)
    inside = linear_to_display(after.image)[8:-8, 8:-8]
    assert float(inside.std()) < 0.01
