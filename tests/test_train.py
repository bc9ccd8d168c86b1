"""`burst train` as a person meets it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from training_toys import SETTINGS

from burst.__main__ import main

SMALL = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that runs `burst train` on tiny samples and returns its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORLD_SIZE", raising=False)

    def call(*words):
        return main(["train", *SMALL, "--device", "cpu", "--threads", "1", *map(str, words)])

    return call


def test_samples_are_made_then_trained_on(train, tmp_path, capsys):
    words = ["--noise-level", "low", "--recipe", "plain", "--set", "training.steps=2"]
    assert train("--prepare-only", 2, *words) == 0
    folder = capsys.readouterr().out.strip()
    assert folder.startswith("runs/samples/")
    assert len(list((tmp_path / folder).glob("*.safetensors"))) == 3
    assert train(*words, "--out", "runs/low", "--workers", 0) == 0
    captured = capsys.readouterr()
    assert captured.out == "runs/low/network.safetensors\n"
    assert "step 2: low classical" in captured.err
    assert {path.name for path in (tmp_path / "runs/low").iterdir()} == {
        "recipe.toml", "state.pt", "network.safetensors", "network.md", "board",
    }  # fmt: skip


def test_student_trains_each_level_too(train, capsys):
    steps = ["--set", "training.steps=2", "--set", "training.each=0.5"]
    assert train("--noise-level", "low", "medium", *steps, "--out", "runs/two") == 0
    assert capsys.readouterr().out.splitlines() == [
        "runs/two/network.safetensors",
        "runs/two/low/network.safetensors",
        "runs/two/medium/network.safetensors",
    ]
    assert main(["export", "runs/two/low", "--name", "mine-low", "--out", "out"]) == 0


def test_nobody_makes_samples(train, capsys):
    assert train("--noise-level", "low", "--out", "runs/low", "--workers", 0) == 1
    error = capsys.readouterr().err
    assert "no process makes them. Pass --workers" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "--out: expected the folder of the run"),
        (["--out", "a", "--recipe", "studnet"], 2, "Did you mean 'student'?"),
        (["--out", "a", "--noise-level", "hihg"], 2, "Did you mean 'high'?"),
        (["--out", "a", "--set", "training.stpes=1"], 2, "Did you mean 'steps'?"),
        (["--out", "a", "--images", "nowhere"], 3, "expected a folder with images"),
        (["--out", "a", "--parent", "none-such"], 5, "checkpoint none-such"),
    ],
)
def test_mistake_is_explained(train, capsys, words, code, message):
    assert train(*words) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "export"])
def test_help_comes_without_torch(verb):
    program = (
        "import sys\nfrom burst.__main__ import main\n"
        f"try:\n    main(['{verb}', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(bool({'torch', 'timm', 'cv2', 'albumentations'} & set(sys.modules)))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_restoring_never_imports_timm():
    program = (
        "import sys\nimport burst.run, burst.jobs.restore\n"
        "import burst.network.checkpoint, burst.models.restorer, burst.pipeline\n"
        "burst.pipeline.load('turbulence')\n"
        "sys.exit(bool({'timm', 'torchvision', 'albumentations'} & set(sys.modules)))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
