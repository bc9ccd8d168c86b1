"""A card says all that matters of a checkpoint, and ranges tell which stacks it is for."""

from dataclasses import replace

import pytest
from networks import tiny_card

from burst.config import search_path
from burst.network.card import LevelRange, card_text
from burst.network.checkpoint import read_card
from burst.records import Level

SHIPPED = sorted(search_path("checkpoints")[1].glob("*.safetensors"))


def test_a_stack_within_the_range_has_no_distance():
    level = LevelRange((0.01, 0.02), (1, 2))
    assert level.distance(Level(0.01, 2)) == 0
    assert level.distance(Level(0.02, 2.1)) > 0
    assert level.distance(Level(0.005, 1)) == pytest.approx(level.distance(Level(0.04, 1)))


def test_a_still_and_noiseless_stack_has_a_distance():
    level = LevelRange((0, 0.02), (0, 2))
    assert level.distance(Level(0, 0)) == 0
    assert LevelRange((0.01, 0.02), (1, 2)).distance(Level(0, 0)) < 10


def test_a_wider_range_is_wider():
    widths = [LevelRange((0.01, high), (1, 2)).width for high in (0.02, 0.04, 0.08)]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize("bounds", [(2, 1), (-1, 1), (0, float("inf"))])
def test_a_range_that_is_none_is_refused(bounds):
    with pytest.raises(ValueError, match="expected a range from low to high"):
        LevelRange(bounds, (0, 1))


def test_a_card_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="as many planes and scalars in spec as in preparation"):
        replace(tiny_card(), spec=replace(tiny_card().spec, evidence=3))
    with pytest.raises(ValueError, match=r"expected some of encoder, .* found none named"):
        replace(tiny_card(), priors=())
    with pytest.raises(ValueError, match="expected some of none for this network, found encoder"):
        replace(tiny_card(), spec=replace(tiny_card().spec, prior="none"), priors=("encoder",))
    with pytest.raises(ValueError, match="pipeline: expected TOML"):
        replace(tiny_card(), pipeline="stages = [")


def test_the_text_holds_every_field():
    card = replace(tiny_card(), parent="base", training={"recipe": "plain", "note": "a | b"})
    text = card_text(card)
    for part in (
        "# tiny", "merged, restored", "noise", "0.0001 to 1", "| trained from | base |",
        "| recipe | plain |", "a \\| b", "| gain in dB | -1.5 |", "[select]", "encoder, diffusion",
    ):  # fmt: skip
        assert part in text, part


def test_scores_of_one_kind_stand_in_columns():
    scores = {"low": {"base": 30.5, "encoder": 31.25}, "high": {"base": 25.0}}
    text = card_text(replace(tiny_card(), scores=scores))
    assert "| | base | encoder |\n|---|---|---|\n| low | 30.5 | 31.25 |\n| high | 25 | |\n" in text


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_shipped_card_is_what_its_checkpoint_says(path):
    assert path.with_suffix(".md").read_text("utf-8") == card_text(read_card(path))
