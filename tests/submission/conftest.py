"""A toy challenge of four small stacks, and its submission by a toy pipeline."""

from __future__ import annotations

import pytest
from toys import CHALLENGE, write_pipeline, write_stack

from burst.__main__ import main
from burst.submission.challenge import read_challenge


@pytest.fixture
def challenge(tmp_path):
    """Return the toy challenge."""
    path = tmp_path / "challenge.toml"
    path.write_text(CHALLENGE.format(folders='["low", "high"]', size=24))
    return read_challenge(path)


@pytest.fixture
def stacks(tmp_path):
    """Return a folder of four stacks of 8 frames of 24 x 24: low/a, low/b, high/c, high/d."""
    root = tmp_path / "stacks"
    for seed, place in enumerate(("low/a", "low/b", "high/c", "high/d")):
        write_stack(root / f"{place}.npy", seed)
    return root


@pytest.fixture
def submit(tmp_path, challenge, stacks, toy_stages, capsys):
    """Return a function that submits the toy stacks and returns (exit code, stdout, stderr)."""
    pipeline = write_pipeline(tmp_path)

    def call(*words, name="try"):
        always = ["--stacks", stacks, "--challenge", tmp_path / "challenge.toml", "--name", name]
        machine = ["--threads", "1", "--device", "cpu", "--pipeline", pipeline]
        place = ["--out", tmp_path / "submissions"]
        code = main(["submit", *map(str, [*always, *machine, *place, *words])])
        return code, *capsys.readouterr()

    return call
