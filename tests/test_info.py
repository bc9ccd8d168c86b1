"""What `burst info` says of a pipeline and its settings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from burst.__main__ import main
from burst.config import find_pipeline
from burst.files.read import read_stack
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


def test_how_a_file_is_read_is_said_as_a_sidecar_that_changes_nothing(capsys, tmp_path):
    frames = np.random.default_rng(0).integers(900, 4000, (4, 24, 24), np.uint16)
    for name, values in (("dn", frames), ("fractions", frames / np.float32(4095))):
        path = tmp_path / f"{name}.npy"
        np.save(path, values)
        expected = read_stack(path)
        text = said(capsys, str(path))
        assert f"{path}: 4 frames of 24 x 24, {values.dtype}" in text
        path.with_suffix(".toml").write_text(text)
        again = read_stack(path)
        assert again.sensor == expected.sensor
        assert np.array_equal(again.frames, expected.frames)
    assert json.loads(said(capsys, str(path), "--json"))[str(path)]["sensor"]["white_level"] == 1
