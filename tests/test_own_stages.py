"""A stage of one's own lives in one's own file, or in another package."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from toys import write_stack

from burst.command import Exit
from burst.fingerprint import step_keys
from burst.jobs.batch import attempt
from burst.jobs.restore import Job
from burst.pipeline import load
from burst.records import Sensor, Stack
from burst.settings import ConfigError
from burst.submission.package import _own_stages
from burst.submission.verify import _strange_code

pytestmark = pytest.mark.usefixtures("toy_stages")

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
DARKEN = GUIDE.partition("```python\n")[2].partition("```")[0]
SEVERAL = f"""
from __future__ import annotations
{DARKEN.partition("from __future__ import annotations")[2]}
class darker:
    NEEDS, GIVES, Config = ("image",), ("image",), Config

    @staticmethod
    def run(burst, config):
        return replace(burst, image=burst.image * config.factor / 2, report=burst.report.note(by=2))
"""


def write(folder: Path, source: str = DARKEN, written: str = "own/mine.py:darken") -> str:
    """Write a pipeline that ends with a stage of its own; return the pipeline's path."""
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own/mine.py").write_text(source)
    path = folder / "p.toml"
    path.write_text(
        f'stages = ["toy_linear", "toy_mean", "{written}"]\n[darken]\nfactor = 0.25\n'
        if "darken" in written
        else f'stages = ["toy_linear", "toy_mean", "{written}"]\n'
    )
    return str(path)


def restored(folder: Path, pipeline: str, name: str) -> np.ndarray:
    """Return the image of a toy stack."""
    job = Job(write_stack(folder / "a.npy"), folder / name, pipeline)
    outcome = attempt(job)
    assert outcome.exit is Exit.DONE, outcome.message
    return np.load(folder / name / "restored.npy")


def test_a_file_beside_the_pipeline_is_a_stage(tmp_path):
    plain = tmp_path / "plain.toml"
    plain.write_text('stages = ["toy_linear", "toy_mean"]')
    bright = restored(tmp_path, str(plain), "bright")
    dark = restored(tmp_path, write(tmp_path), "dark")
    assert np.allclose(dark, 0.25 * bright)


def test_a_file_may_hold_several(tmp_path):
    pipeline = load(write(tmp_path, SEVERAL, "own/mine.py:darker"))
    assert pipeline.steps[-1].name == "darker"
    assert load(write(tmp_path, SEVERAL)).steps[-1].config.factor == 0.25
    assert load(write(tmp_path, DARKEN, "own/mine.py")).steps[-1].name == "mine"


def test_a_misspelt_one_of_several_is_told_with_those_that_are_there(tmp_path):
    text = SEVERAL.replace("NEEDS = (", "NEEDED = (", 1)
    with pytest.raises(ConfigError, match=r"mine\.py: no stage 'darkr'\. .* It holds darker\."):
        load(write(tmp_path, text, "own/mine.py:darkr"))


def test_the_result_repeats_itself_wherever_it_lies(tmp_path):
    first = restored(tmp_path, write(tmp_path), "first")
    (tmp_path / "own/mine.py").unlink()
    again = restored(tmp_path, str(tmp_path / "first/pipeline.toml"), "again")
    assert np.array_equal(first, again)
    one, two = ((tmp_path / n / "restored.tif").read_bytes() for n in ("first", "again"))
    assert one == two


def test_the_source_is_part_of_the_key(tmp_path):
    stack = Stack(np.zeros((2, 16, 16), np.uint16), Sensor())
    before = step_keys(load(write(tmp_path)), stack, 0)
    after = step_keys(load(write(tmp_path, DARKEN + "\n# another\n")), stack, 0)
    assert before["toy_mean"] == after["toy_mean"]
    assert before["darken"] != after["darken"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nonsense", "expected a stage, found ModuleNotFoundError: No module named"),
        ("def run(:", r"expected a stage, found SyntaxError in line 1"),
        ("NEEDS = ('image',)", "found no GIVES and no Config and no run"),
        (DARKEN.replace('NEEDS = ("image",)', 'NEEDS = ("image")'), r"written \('image',\)"),
        (DARKEN.replace('NEEDS = ("image",)', 'NEEDS = ("imge",)'), "Did you mean 'image'"),
        (DARKEN.replace("@dataclass(frozen=True)", ""), "expected Config to be a dataclass"),
    ],
)
def test_what_is_no_stage_is_told_in_words(tmp_path, source, message):
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, source))


def test_a_missing_file_is_told(tmp_path):
    pipeline = write(tmp_path)
    (tmp_path / "own/mine.py").unlink()
    with pytest.raises(ConfigError, match=r"own/mine\.py, found none\. Its path counts from the"):
        load(pipeline)


def test_files_of_one_name_are_told(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('stages = ["a/mine.py:one", "b/mine.py:two"]')
    with pytest.raises(ConfigError, match="Rename one"):
        load(str(path))


def test_a_submission_carries_the_file_and_is_not_repeated_unseen(tmp_path):
    pipeline = load(write(tmp_path))
    assert _own_stages(pipeline) == {"mine.py": tmp_path / "own/mine.py"}
    (tmp_path / "packed.toml").write_text(pipeline.to_toml())
    (fault,) = _strange_code(tmp_path / "packed.toml")
    assert "mine.py: expected stages of burst alone" in fault


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install a package that offers the stage `darken`."""
    place = tmp_path / "site"
    (place / "shades").mkdir(parents=True)
    (place / "shades/__init__.py").write_text("")
    (place / "shades/dark.py").write_text(DARKEN)
    told = place / "shades_of_grey-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: shades-of-grey\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[burst.stages]\ndarken = shades.dark\n")
    monkeypatch.syspath_prepend(str(place))
    importlib.invalidate_caches()
    return place


def test_a_package_offers_stages(tmp_path, plugin):
    path = tmp_path / "p.toml"
    path.write_text('stages = ["toy_linear", "toy_mean", "darken"]')
    pipeline = load(str(path), ["darken.factor=0.5"])
    assert pipeline.steps[-1].package == "shades-of-grey"
    assert set(_own_stages(pipeline)) == {
        "shades/__init__.py",
        "shades/dark.py",
        "shades_of_grey-1.0.dist-info/METADATA",
        "shades_of_grey-1.0.dist-info/entry_points.txt",
    }
    again = tmp_path / "again.toml"
    again.write_text(pipeline.to_toml())
    assert load(str(again)) == pipeline


def test_stages_that_packages_offer_are_among_those_known(tmp_path, plugin):
    path = tmp_path / "p.toml"
    path.write_text('stages = ["toy_linear", "darkn"]')
    with pytest.raises(ConfigError, match="Did you mean 'darken'"):
        load(str(path))
