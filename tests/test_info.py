"""What `burst info` says of a pipeline and its settings."""

from __future__ import annotations

import json

import pytest

from burst.__main__ import main
from burst.config import find_pipeline
from burst.settings import ConfigError


def said(capsys, *words):
    """Return what `burst info` prints."""
    assert main(["info", *words]) == 0
    return capsys.readouterr().out


def test_every_setting_is_listed_as_set_takes_it(capsys):
    text = said(capsys, "--pipeline", "classical")
    assert "  select.keep=1.0\n      share of the frames, the sharpest (a number above 0" in text
    assert "(px rms; a number at least 0)" in text
    assert "mean or key" in text


def test_what_a_pipeline_sets_is_told_from_the_default(capsys):
    text = said(capsys, "--pipeline", "rolling")
    assert "noise.row_noise=false" in text
    assert "default true)" in text
    assert "no default)" in text


def test_settings_are_given_as_json_too(capsys):
    table = json.loads(said(capsys, "--pipeline", "classical", "--json"))
    assert list(table) == [
        "screen", "noise", "select", "align", "row_motion", "blur", "deconvolve",
    ]  # fmt: skip
    tile = next(row for row in table["select"] if row["name"] == "tile")
    assert (tile["value"], tile["default"], tile["unit"]) == (32, 32, "px")


def test_noise_levels_are_no_pipeline():
    with pytest.raises(ConfigError, match="expected one of classical") as error:
        find_pipeline("levels")
    assert "levels" not in str(error.value).partition("expected")[2]
