"""The settings of every stage check themselves when they are built in Python."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import MISSING, fields, replace

import pytest

import burst.stages
from burst.settings import ConfigError
from burst.stages import correct, select, unroll

NAMES = [module.name for module in pkgutil.iter_modules(burst.stages.__path__)]


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_of_the_wrong_kind_is_refused(name):
    kind = importlib.import_module(f"burst.stages.{name}").Config
    with pytest.raises(ConfigError, match=f"{name}: unknown key 'nonsense'"):
        kind(nonsense=1)
    required = {field.name: "some" for field in fields(kind) if field.default is MISSING}
    for field in fields(kind):
        with pytest.raises(ConfigError, match=f"{name} {field.name}: expected"):
            kind(**{**required, field.name: [["nonsense"]]})


def test_a_number_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="select keep: expected less than or equal to 1, found 7"):
        select.Config(keep=7)
    with pytest.raises(ConfigError, match="found 7"):
        replace(select.Config(), keep=7)
    with pytest.raises(ConfigError, match="instants"):
        unroll.Config(instants=())


def test_whole_numbers_are_taken_where_any_are_meant():
    assert repr(unroll.Config(readout_ratio=1).readout_ratio) == "1.0"
    assert repr(select.Config(keep=1).keep) == "1.0"
    assert unroll.Config(instants=[0, 1]).instants == (0.0, 1.0)


def test_settings_are_taken_in_their_order_too():
    assert select.Config(0.5, 2).emphasis == 2.0
    with pytest.raises(ConfigError, match="too many"):
        select.Config(0.5, 2, 4, 32, "tile", 1)


def test_a_setting_without_a_default_is_asked_for():
    with pytest.raises(ConfigError, match="correct: expected a value for 'checkpoint'"):
        correct.Config()
