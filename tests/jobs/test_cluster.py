"""A real Dask scheduler with two workers on this machine; one of them is killed at its work."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toys import IMAGES, command, environment, read_files, write_pipeline, write_stack

from burst import simulate
from burst.__main__ import main
from burst.jobs import helpers
from burst.jobs.batch import attempt, log_stage
from burst.jobs.cluster import restore_there, run_on_cluster
from burst.jobs.helpers import _packed as packed
from burst.jobs.restore import Job
from burst.settings import ConfigError

STACKS = 12


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a program of Dask; all are ended after the test."""
    started = []

    def call(program, *words):
        line = [sys.executable, "-m", f"distributed.cli.dask_{program}", *words]
        with (tmp_path / f"{program}{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*line, "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", "dask.json"],
                cwd=tmp_path, env=environment(tmp_path), stdout=log, stderr=log,
            )  # fmt: skip
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("toy_stages")
def test_killed_worker_loses_no_stack_and_repeats_none(tmp_path, start):
    pytest.importorskip("distributed")
    for seed in range(STACKS):
        write_stack(tmp_path / f"stacks/{seed}.npy", seed)
    pipeline = write_pipeline(tmp_path)
    words = ["run", "--stack", "stacks", "--out", "out", "--pipeline", pipeline.name, "--json"]
    line = command(tmp_path, *words, "--set", "toy_mean.grain=0.1")
    start("scheduler", "--port", "0")
    address = _address(tmp_path / "dask.json")
    options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
    workers = [start("worker", *options) for _ in range(2)]
    run = subprocess.Popen(
        [*line, "--scheduler", address], cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _wait_for(lambda: any((tmp_path / "out").glob("*/report.html")))
    workers[0].kill()
    out, log = run.communicate(timeout=100)
    assert run.returncode == 0, log
    rows = json.loads(out)["stacks"]
    assert [Path(row["stack"]).stem for row in rows] == [str(i) for i in range(STACKS)]
    assert {row["status"] for row in rows} == {"done"}
    alone = Job(
        tmp_path / "stacks/7.npy", tmp_path / "alone", str(pipeline), ("toy_mean.grain=0.1",)
    )
    assert attempt(alone, log_stage).exit == 0
    assert read_files(tmp_path / "out/7", IMAGES) == read_files(tmp_path / "alone")
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.parametrize("kind", ["npy", "fits"])
def test_one_huge_stack_is_shared_block_by_block(tmp_path, start, monkeypatch, caplog, kind):
    pytest.importorskip("distributed")
    shared = []
    monkeypatch.setattr(helpers, "_packed", lambda function: shared.append(1) or packed(function))
    stack = simulate("camera", level="medium", frames=16, size=96).stack
    path = tmp_path / f"air.{kind}"
    if kind == "npy":
        np.save(path, stack.frames)
    else:
        # Decoded into a scratch file that the workers see.
        monkeypatch.setattr("burst.mapped.MOST_IN_MEMORY", 0)
        monkeypatch.setattr("burst.files.fits.MOST_IN_MEMORY", 1)
        pytest.importorskip("astropy.io.fits").writeto(path, stack.frames)
    start("scheduler", "--port", "0")
    address = _address(tmp_path / "dask.json")
    for _ in range(2):
        start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
    jobs = [
        Job(path, tmp_path / name, "classical", memory=6_000_000) for name in ("alone", "shared")
    ]
    alone = attempt(jobs[0])
    (helped,) = run_on_cluster(jobs[1:], address)
    assert (alone.exit, helped.exit) == (0, 0), helped.message
    assert len(shared) > 3
    assert read_files(tmp_path / "shared", IMAGES) == read_files(tmp_path / "alone", IMAGES)
    assert not list((tmp_path / "shared").glob(".*"))


def test_missing_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"Dask.*pip install 'burst-restoration\[cluster\]'"):
        list(run_on_cluster([], "tcp://127.0.0.1:8786"))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_unreachable_scheduler_is_told(monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr("burst.jobs.cluster.SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(ConfigError, match=f"--scheduler {address}: expected a Dask scheduler"):
        list(run_on_cluster([], address))


def test_jobs_are_for_the_workers_to_set(tmp_path, capsys):
    words = ["run", "--stack", "a.npy", "--out", str(tmp_path), "--jobs", "2"]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "--jobs: expected it without --scheduler" in capsys.readouterr().err


def test_worker_with_other_code_refuses(tmp_path):
    outcome = restore_there(Job(tmp_path / "a.npy", tmp_path / "out", "classical"), "other code")
    assert outcome.exit == 2
    assert "expected the same burst on every worker" in outcome.message


def _address(file: Path) -> str:
    _wait_for(file.exists)
    return str(json.loads(file.read_text())["address"])


def _wait_for(there) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)
