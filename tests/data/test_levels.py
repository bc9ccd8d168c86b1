"""The levels are those of the one file: points inside their ranges, drawn conditions too."""

from dataclasses import fields

import pytest
import torch

import burst.config
from burst.data.levels import Conditions, find_level, read_levels
from burst.settings import ConfigError

NAMES = ["low", "medium", "high", "very-high"]
QUANTITIES = [field.name for field in fields(Conditions)]


def test_there_are_four_levels_mildest_first():
    assert list(read_levels()) == NAMES
    light = [level.point().electrons for level in read_levels().values()]
    assert light == sorted(light, reverse=True)
    air = [level.point().d_over_r0 for level in read_levels().values()]
    assert air == sorted(air)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_point_lies_in_its_range(name, quantity):
    defined = getattr(find_level(name), quantity)
    low, high = defined.range
    assert low <= defined.point <= high


@pytest.mark.parametrize("name", NAMES)
def test_drawn_conditions_fill_the_ranges(name):
    generator = torch.Generator().manual_seed(0)
    level = find_level(name)
    drawn = [level.draw(generator) for _ in range(300)]
    for quantity in QUANTITIES:
        low, high = getattr(level, quantity).range
        values = [getattr(conditions, quantity) for conditions in drawn]
        assert low <= min(values)
        assert max(values) <= high
        assert max(values) - min(values) >= 0.9 * (high - low)


def test_light_is_drawn_evenly_in_its_logarithm():
    generator = torch.Generator().manual_seed(0)
    level = find_level("very-high")
    values = torch.tensor([level.draw(generator).electrons for _ in range(400)])
    low, high = level.electrons.range
    assert float(values.median()) == pytest.approx((low * high) ** 0.5, rel=0.25)


def test_the_same_seed_draws_the_same_conditions():
    one, two, other = (
        find_level("high").draw(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert one == two != other


def test_an_unknown_level_is_explained():
    with pytest.raises(ConfigError, match=r"expected one of low, .*Did you mean 'medium'\?"):
        find_level("medum")


def test_a_level_that_is_no_table_is_explained(tmp_path, monkeypatch):
    (tmp_path / "levels.toml").write_text("low = 3")
    monkeypatch.setattr("burst.data.levels.search_path", lambda folder: [tmp_path])
    with pytest.raises(ConfigError, match=r"expected a table for 'low', found 3"):
        read_levels.__wrapped__()


def test_a_missing_file_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("burst.data.levels.search_path", lambda folder: [tmp_path])
    with pytest.raises(ConfigError, match=r"levels\.toml: expected it in the pipelines folder"):
        read_levels.__wrapped__()


def test_a_negative_quantity_is_refused(tmp_path, monkeypatch):
    folder = burst.config.search_path("pipelines")[1]
    text = (folder / "levels.toml").read_text().replace("point = 1.5 }\n", "point = -1.5 }\n", 1)
    (tmp_path / "levels.toml").write_text(text)
    monkeypatch.setattr("burst.data.levels.search_path", lambda folder: [tmp_path])
    with pytest.raises(ConfigError, match=r"\[low\] d_over_r0\.point: .*greater than or equal"):
        read_levels.__wrapped__()
