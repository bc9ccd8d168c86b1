"""Text becomes settings, and every mistake is explained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from burst.config import PipelineText, find_pipeline, override, read_pipeline, search_path
from burst.settings import ConfigError, build


@dataclass(frozen=True)
class Settings:
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    reference: Literal["mean", "key"] = "mean"
    checkpoint: str | None = None


TEXT = PipelineText("p.toml", "title", ("select",), {"select": {"keep": 0.5}})


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a pipeline file and returns its path."""

    def call(text: str) -> Path:
        path = tmp_path / "p.toml"
        path.write_text(text)
        return path

    return call


def test_defaults_need_not_be_said():
    assert build(Settings, {}, "p.toml [select]") == Settings()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kep": 0.3}, "p.toml [select]: unknown key 'kep'. Did you mean 'keep'?"),
        ({"zzz": 1}, "p.toml [select]: unknown key 'zzz'. Known are keep, reference, checkpoint."),
        ({"keep": 0}, "p.toml [select] keep: expected greater than 0, found 0."),
        ({"keep": "many"}, "p.toml [select] keep: expected a number"),
        ({"reference": "best"}, "p.toml [select] reference: expected 'mean' or 'key'"),
    ],
)
def test_wrong_setting_is_explained(table, message):
    with pytest.raises(ConfigError) as error:
        build(Settings, table, "p.toml [select]")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = [", "expected TOML"),
        ("title = 'x'", 'expected stages = ["noise", ...], found None'),
        ("stages = []", "found []"),
        ("stages = ['noise', 'noise']", "expected each stage once"),
        ("stages = ['noise']\ntitle = 3", "expected title to be text, found 3"),
        ("stages = ['noise']\nstage = 1", "unknown key 'stage' = 1"),
        ("stages = ['select']\n[selekt]\nkeep = 1", "Did you mean 'select'?"),
    ],
)
def test_wrong_file_is_explained(write, text, message):
    path = write(text)
    with pytest.raises(ConfigError) as error:
        read_pipeline(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_closed_file_is_explained(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_pipeline(tmp_path)


def test_title_is_the_file_s_name_when_not_said(write):
    assert read_pipeline(write("stages = ['noise']")).title == "p"


@pytest.mark.parametrize(
    ("value", "parsed"), [("0.3", 0.3), ("true", True), ("key", "key"), ('"key"', "key")]
)
def test_override_reads_a_value_as_toml_and_else_as_text(value, parsed):
    assert override(TEXT, [f"select.keep={value}"]).settings["select"]["keep"] == parsed


def test_override_leaves_the_original_as_it_was():
    override(TEXT, ["select.keep=0.1"])
    assert TEXT.settings["select"]["keep"] == 0.5


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("select.keep", "--set select.keep: expected stage.key=value."),
        ("keep=1", "--set keep=1: expected stage.key=value."),
        ("selekt.keep=1", "Did you mean 'select'?"),
    ],
)
def test_wrong_override_is_explained(assignment, message):
    with pytest.raises(ConfigError) as error:
        override(TEXT, [assignment])
    assert message in str(error.value)


def test_every_shipped_pipeline_is_found_by_name():
    assert find_pipeline("turbulence").name == "turbulence.toml"


def test_pipeline_is_found_in_the_working_folder_first(tmp_path, monkeypatch):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/turbulence.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert find_pipeline("turbulence") == Path("pipelines/turbulence.toml")


@pytest.mark.parametrize(
    ("name", "message"),
    [("turbulense", "Did you mean 'turbulence'?"), ("none.toml", "found none there")],
)
def test_missing_pipeline_is_explained(name, message):
    with pytest.raises(ConfigError) as error:
        find_pipeline(name)
    assert message in str(error.value)


def test_variable_is_searched_first(monkeypatch):
    monkeypatch.setenv("BURST_CHECKPOINTS", "/mine")
    assert search_path("checkpoints", "BURST_CHECKPOINTS")[:2] == [
        Path("/mine"),
        Path("checkpoints"),
    ]


def test_a_file_of_this_name_in_the_folder_is_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("stages = ['noise']")
    with pytest.raises(ConfigError, match=r"--pipeline mine: .* Did you mean 'mine\.toml'\?"):
        find_pipeline("mine")
