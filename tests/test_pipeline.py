"""A pipeline is checked when it is loaded, and runs its steps in order."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from toys import write_pipeline

import burst.stages as burst_stages
from burst.pipeline import load, run_step
from burst.records import Burst, NotGivenError, Sensor, Stack
from burst.settings import ConfigError

pytestmark = pytest.mark.usefixtures("toy_stages")


@pytest.fixture
def burst():
    """Return a burst of one small stack."""
    frames = np.random.default_rng(0).integers(0, 4095, (4, 16, 16), np.uint16)
    return Burst(Stack(frames, Sensor()))


@pytest.fixture
def pipeline(tmp_path):
    """Return the toy pipeline."""
    return load(str(write_pipeline(tmp_path)))


def test_steps_run_in_order_and_are_timed(pipeline, burst):
    seen = []
    result = pipeline.run(burst, lambda step, after: seen.append(step.name))
    assert seen == ["toy_linear", "toy_trouble", "toy_mean"]
    assert [entry.stage for entry in result.report.entries] == seen
    assert all(entry.seconds > 0 for entry in result.report.entries)
    assert result.image.shape == (16, 16)


def test_settings_of_a_step_stand_in_the_report(pipeline, burst):
    entry = pipeline.run(burst).report.entries[0]
    assert entry.settings == {"gain": 1.0}
    assert entry.numbers == {"gain": 1.0}


def test_running_leaves_the_first_burst_as_it_was(pipeline, burst):
    pipeline.run(burst)
    assert burst.image is None
    assert burst.report.entries == ()


def test_before_and_until_cut_the_pipeline(pipeline):
    assert [step.name for step in pipeline.before("toy_trouble").steps] == ["toy_linear"]
    assert [step.name for step in pipeline.until("toy_trouble").steps] == [
        "toy_linear",
        "toy_trouble",
    ]


def test_cut_at_an_unknown_stage_is_explained(pipeline):
    with pytest.raises(ConfigError, match="Did you mean 'toy_mean'"):
        pipeline.until("toy_men")


def test_written_pipeline_loads_as_the_same(tmp_path):
    first = load(str(write_pipeline(tmp_path)), ["toy_linear.gain=0.25"])
    path = tmp_path / "again.toml"
    path.write_text(first.to_toml())
    assert load(str(path)) == first


def test_missing_need_is_told_at_loading(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('stages = ["toy_mean"]')
    with pytest.raises(
        ConfigError, match="'toy_mean' needs 'linear', which no earlier stage gives"
    ):
        load(str(path))


def test_missing_need_is_told_with_the_stages_that_give_it(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('stages = ["noise", "align"]')
    with pytest.raises(ConfigError, match=r"no earlier stage gives\. Put select before it\."):
        load(str(path))


@pytest.mark.parametrize("name", ["toy_men", "../toy_mean", "a.b"])
def test_unknown_stage_is_told_with_its_file(tmp_path, name):
    path = tmp_path / "p.toml"
    path.write_text(f'stages = ["{name}"]')
    with pytest.raises(ConfigError) as error:
        load(str(path))
    assert f"no stage '{name}'. Expected a file burst/stages/{name}.py." in str(error.value)


def test_wrong_setting_names_the_stage(tmp_path):
    path = write_pipeline(tmp_path)
    path.write_text(path.read_text() + '\n[toy_mean]\ngrain = "much"\n')
    with pytest.raises(ConfigError, match=r"\[toy_mean\] grain: expected a number"):
        load(str(path))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("toy_linear.gain=much", "expected a number, found 'much'."),
        ("toy_linear.gian = 2", "unknown key 'gian'. Did you mean 'gain'?"),
    ],
)
def test_what_was_typed_is_named_where_it_is_wrong(tmp_path, typed, message):
    with pytest.raises(ConfigError) as error:
        load(str(write_pipeline(tmp_path)), ["toy_linear.gain=2", typed])
    assert str(error.value).startswith(f"--set {typed}: {message}")


@pytest.mark.parametrize("name", ["turbulence", "classical"])
def test_shipped_pipeline_fits(name):
    assert "image" in load(name).steps[-1].stage.GIVES


def test_stage_of_the_contributing_guide_runs(tmp_path, monkeypatch, burst):
    guide = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    (tmp_path / "darken.py").write_text(guide.partition("```python\n")[2].partition("```")[0])
    monkeypatch.setattr(burst_stages, "__path__", [*burst_stages.__path__, str(tmp_path)])
    path = tmp_path / "p.toml"
    path.write_text('stages = ["toy_linear", "toy_mean", "darken"]')
    result = load(str(path), ["darken.factor=0.25"]).run(burst)
    # Other tests offer a stage of this name in other ways.
    del sys.modules["burst.stages.darken"]
    assert result.report.numbers("darken") == {"factor": 0.25}
    assert float(result.image.max()) < 0.25


OWN = """
from dataclasses import dataclass, replace
from burst.records import given
NEEDS, GIVES, MAY_GIVE = {needs}, {gives}, {may_give}

@dataclass(frozen=True)
class Config:
    pass

def run(burst, config):
    return {gift}
"""


@pytest.fixture
def load_own(tmp_path, monkeypatch):
    """Return a loader of a pipeline that ends in a stage of one's own."""
    monkeypatch.setattr(burst_stages, "__path__", [*burst_stages.__path__, str(tmp_path)])

    def load_with(
        name,
        needs=("linear",),
        gives=("image",),
        may_give=(),
        gift="replace(burst, image=given(burst.merged))",
    ):
        text = OWN.format(needs=needs, gives=gives, may_give=may_give, gift=gift)
        (tmp_path / f"{name}.py").write_text(text)
        (tmp_path / "own.toml").write_text(f'stages = ["toy_linear", "{name}"]')
        return load(str(tmp_path / "own.toml"))

    return load_with


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"needs": ("lineal",)}, "expected NEEDS .* found 'lineal'. Did you mean 'linear'?"),
        ({"gives": ("imag",)}, "expected GIVES .* found 'imag'. Did you mean 'image'?"),
        ({"may_give": ("report",)}, "expected MAY_GIVE .* found 'report'"),
    ],
)
def test_names_of_no_field_are_refused(load_own, part, words):
    with pytest.raises(ConfigError, match=words):
        load_own(f"misnamed_{next(iter(part))}", **part)


def test_error_says_which_stage_reads_what_it_does_not_name(load_own, burst):
    with pytest.raises(NotGivenError, match="'undeclared' reads a field that its NEEDS does not"):
        load_own("undeclared").run(burst)


@pytest.mark.parametrize(
    ("name", "gift", "words"),
    [
        ("forgot_to_return", "None", "expected run to return a Burst, found a NoneType"),
        ("gave_another", "replace(burst, merged=burst.linear[0])", "expected it to give image, as"),
    ],
)
def test_error_says_which_stage_does_not_give_what_it_promises(load_own, burst, name, gift, words):
    with pytest.raises(ConfigError, match=f"stage '{name}': {words}"):
        load_own(name, gift=gift).run(burst)


def test_error_says_which_stage_lacks_what(pipeline, burst):
    with pytest.raises(NotGivenError, match="'toy_mean' needs linear, which no stage before"):
        run_step(pipeline.steps[-1], burst)
