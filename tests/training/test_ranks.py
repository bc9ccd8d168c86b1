"""Several processes train one network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from training_toys import SETTINGS

from burst.network.checkpoint import read_card
from burst.training.ranks import joined

HERE = Path(__file__).parent


def test_alone_without_torchrun():
    with joined("cpu") as ranks:
        assert (ranks.rank, ranks.count, ranks.first) == (0, 1, True)
        assert ranks.broadcast(3.5) == 3.5


def test_two_processes_end_with_the_same_weights(collection, tmp_path):
    told = tmp_path / "told"
    told.mkdir()
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = [
        str(HERE / "trained_by_two.py"),
        str(collection.folder.parent),
        str(tmp_path / "run"),
        str(told),
    ]
    settings = [*SETTINGS, "training.steps=4", "training.check_every=2", "training.each=0.5"]
    done = subprocess.run(
        [*words, *program, *settings],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digests = {file.name: file.read_text() for file in told.iterdir()}
    assert sorted(digests) == ["0 of 2", "1 of 2"]
    assert len(set(digests.values())) == 1
    for name, steps in (("run", 4), ("run/low", 2), ("run/high", 2)):
        training = read_card(tmp_path / name / "network.safetensors").training
        assert (training["batch"], training["steps"]) == (4, steps)
