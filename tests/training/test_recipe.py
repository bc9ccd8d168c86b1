"""Recipes: those that ship load, and mistakes are explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from burst.network.checkpoint import find, read_card
from burst.network.preparation import evidence_of, scalars_of
from burst.settings import ConfigError
from burst.training.recipe import choose_levels, load_recipe, with_parent

SHIPPED = sorted(p.stem for p in (Path(__file__).parents[2] / "pipelines/training").glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_loads(name):
    recipe = load_recipe(name)
    assert recipe.title.startswith(name)
    if recipe.network:
        kind = recipe.samples.kind
        planes = (len(evidence_of(kind)), len(recipe.preparation.scalars))
        assert (recipe.network.evidence, recipe.network.scalars) == planes
        assert recipe.preparation.kind == kind
        assert set(recipe.preparation.scalars) <= set(scalars_of(kind))


@pytest.mark.parametrize("name", ["rolling", "global_reset", "dual_reversed"])
def test_a_shipped_network_of_a_shutter_goes_on_with_its_recipe(name):
    card = read_card(find(name))
    assert with_parent(load_recipe(name), card.spec, card.preparation).network == card.spec


def test_setting_is_overridden():
    recipe = load_recipe("student", ["training.steps=7", "network.width=16", "samples.seed=3"])
    assert (recipe.training.steps, recipe.network.width, recipe.samples.seed) == (7, 16, 3)


def test_network_takes_as_many_planes_as_are_prepared():
    recipe = load_recipe("plain", ['preparation.evidence=["merged", "restored"]'])
    assert recipe.network.evidence == 2


@pytest.mark.parametrize(
    ("name", "assignment", "message"),
    [
        ("studnet", "", "Did you mean 'student'?"),
        ("student", "training.stepz=1", "unknown key 'stepz'. Did you mean 'steps'?"),
        ("student", "trainig.steps=1", "Did you mean 'training'?"),
        ("student", "training.steps=0", "greater than 0"),
        ("student", "training.crop=220", "expected at most 208"),
        ("student", "network.prior='gird'", "[network] prior: expected"),
        ("student", "samples.frames=[1, 3]", "greater than or equal to 2"),
        ("student", 'preparation.evidence=["mergd"]', "expected some of merged"),
        ("missing/none.toml", "", "the file of a recipe, found none there"),
    ],
)
def test_mistake_is_explained(name, assignment, message):
    with pytest.raises(ConfigError) as error:
        load_recipe(name, [assignment] if assignment else [])
    assert message in str(error.value)


def test_unknown_table_is_explained(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[netwrk]\nwidth = 8\n")
    with pytest.raises(ConfigError, match=r"unknown table 'netwrk'.*Did you mean 'network'"):
        load_recipe(str(path))


def test_all_means_every_level():
    assert choose_levels(["all"]) == ("low", "medium", "high", "very-high")
    assert choose_levels(["high", "low"]) == ("low", "high")
    with pytest.raises(ConfigError, match="Did you mean 'medium'"):
        choose_levels(["low", "medum"])


def test_parent_gives_the_network():
    parent = load_recipe("student", ["network.width=16"])
    child = with_parent(load_recipe("finetune"), parent.network, parent.preparation)
    assert child.network == parent.network


def test_a_network_may_be_deeper_than_its_parent():
    deep, parent = load_recipe("student", ["network.depths=[2, 1, 6]"]), load_recipe("student")
    assert with_parent(deep, parent.network, parent.preparation) == deep
    for depths in ("[1, 1, 2]", "[1, 1]", "[2, 2, 2, 2]"):
        other = load_recipe("student", [f"network.depths={depths}"])
        with pytest.raises(ConfigError, match="or one less deep"):
            with_parent(other, parent.network, parent.preparation)


def test_teacher_may_differ_in_being_one_only():
    student, teacher = load_recipe("student"), load_recipe("teacher")
    assert with_parent(student, teacher.network, teacher.preparation) == student
    with pytest.raises(ConfigError, match="Train the parent with the same settings"):
        with_parent(student, replace(teacher.network, width=64), teacher.preparation)


def test_squared_errors_ask_for_a_truth():
    assert load_recipe("finetune").training.loss == "squared"
    assert load_recipe("rolling", ["training.loss=squared"]).training.loss == "squared"
    with pytest.raises(ConfigError, match=r"absolute with samples\.truth = false, found squared"):
        load_recipe("dual_reversed", ["training.loss=squared"])


def test_shares_of_scenes_come_to_one_at_most():
    assert load_recipe("student", ["samples.targets=0.5", "samples.plain=0.5"]).samples.plain == 0.5
    with pytest.raises(ConfigError, match=r"targets, rectangles, plain: .* found 1\.1"):
        load_recipe("student", ["samples.targets=0.5", "samples.plain=0.6"])
