"""The wheel carries all that a run needs, and the environments agree on their bounds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from toys import OUTPUTS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

CONDA_NAMES = {"torch": "pytorch", "opencv-python-headless": "py-opencv"}
REQUIREMENT = re.compile(r"^\s*(?:- )?([A-Za-z0-9_-]+)\s*([<>=!][^;#\s]*)?")


def split(requirement: str) -> tuple[str, str]:
    """Return name and bounds of a requirement, such as ("torch", ">=2.6,<2.14")."""
    found = REQUIREMENT.match(requirement)
    assert found, requirement
    return found[1].lower(), found[2] or ""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the sources, so that nothing is left among them."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("burst", "pipelines", "checkpoints", "submissions/challenges"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(source), "."]
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=source, check=True, timeout=100)
    return next(source.glob("*.whl"))


def test_wheel_carries_code_settings_and_templates(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = [p for p in (ROOT / "burst").rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert {str(path.relative_to(ROOT)) for path in wanted} <= names
    shipped_folders = (
        ("pipelines", "*.toml"),
        ("checkpoints", "*.md"),
        ("submissions/challenges", "*.toml"),
    )
    for folder, pattern in shipped_folders:
        shipped = {f"burst/_data/{folder}/{path.name}" for path in (ROOT / folder).glob(pattern)}
        assert shipped
        assert shipped <= names


def test_installed_wheel_restores_a_stack_in_another_folder(wheel, tmp_path):
    place = tmp_path / "site"
    words = ["install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=100)
    work = tmp_path / "work"
    work.mkdir()
    simulate = ["simulate", "--frames", "10", "--size", "48", "--out", "a.npy"]
    for line in (simulate, ["run", "--stack", "a.npy", "--out", "out", "--device", "cpu"]):
        subprocess.run(
            [sys.executable, "-m", "burst", *line],
            cwd=work,
            env={**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"},
            check=True,
            timeout=100,
        )
    assert {path.name for path in (work / "out/a").iterdir()} == {*OUTPUTS, "confidence.tif"}
    assert np.load(work / "out/a/restored.npy").shape == (48, 48)


def test_every_folder_of_code_is_packaged():
    packages = set(PROJECT["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in (ROOT / "burst").rglob("*.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} <= packages


def test_conda_environment_has_the_same_bounds():
    lines = (ROOT / "environment.yml").read_text("utf-8").splitlines()
    extras = ("astro", "train", "completion")
    conda = dict(split(line) for line in lines if line.startswith("  - "))
    wanted = [
        *PROJECT["project"]["dependencies"],
        *(r for extra in extras for r in PROJECT["project"]["optional-dependencies"][extra]),
        f"python{PROJECT['project']['requires-python']}",
    ]
    for name, bounds in map(split, wanted):
        assert conda[CONDA_NAMES.get(name, name)] == bounds, name


def test_constraints_pin_every_dependency():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {split(line)[0].replace("_", "-") for line in lines}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(r for extra in extras for r in extra)]
    assert {split(requirement)[0] for requirement in wanted} <= pinned


def test_every_hint_installs_this_project():
    from burst.about import DISTRIBUTION, install

    assert PROJECT["project"]["name"] == DISTRIBUTION != "burst"
    extras = PROJECT["project"]["optional-dependencies"]
    hint = re.compile(r"pip install[^\n`]*?'?([A-Za-z0-9_.-]+)\[([a-z,]+)\]")
    texts = [*ROOT.glob("*.*"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "burst").rglob("*.*")]
    readable = [
        path for path in texts if path.suffix in (".py", ".md", ".cff", ".toml", ".yml", ".j2")
    ]
    said = [found for path in readable for found in hint.findall(path.read_text("utf-8"))]
    assert len(said) >= 4
    for name, extra in [*said, *hint.findall(install("astro"))]:
        assert name in (DISTRIBUTION, "."), name
        assert extra in extras


def test_version_is_said_once_in_the_package():
    from burst.about import __version__

    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "burst.about.__version__"
    }
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_wheel_has_the_version_of_the_package(wheel):
    from burst.about import __version__

    assert wheel.name.split("-")[1] == __version__
