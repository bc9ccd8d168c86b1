"""Many stacks at once: what a bad stack, a killed process or a full disk costs and leaves."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from toys import OUTPUTS, command, environment, read_files, run_command, write_pipeline, write_stack

from burst.jobs.batch import attempt
from burst.jobs.restore import Job


@pytest.fixture
def batch(tmp_path):
    """Return the words of a run of four tiny stacks of the toy pipeline, two at a time."""
    for seed, name in enumerate(("doomed1", "doomed2", "fine1", "fine2")):
        write_stack(tmp_path / f"stacks/{name}.npy", seed)
    pipeline = write_pipeline(tmp_path)
    return ["run", "--pipeline", pipeline, "--device", "cpu", "--jobs", 2, "--threads", 2,
            "--stack", "stacks", "--out"]  # fmt: skip


@pytest.mark.usefixtures("toy_stages")
def test_processes_give_the_same_bytes_as_one(tmp_path, batch):
    grain = "toy_mean.grain=0.1"
    run_command(tmp_path, *batch, "many", "--set", grain)
    for name in ("doomed1", "doomed2", "fine1", "fine2"):
        stack, alone = tmp_path / f"stacks/{name}.npy", tmp_path / "alone" / name
        assert attempt(Job(stack, alone, str(batch[2]), (grain,))).exit == 0
        assert read_files(tmp_path / "many" / name) == read_files(alone)


def test_killed_workers_cost_their_stacks_alone_and_resume_repeats_them(tmp_path, batch):
    trouble = ("--set", "toy_trouble.kind=die", "--set", "toy_trouble.name=doomed")
    run = run_command(tmp_path, *batch, "out", *trouble, "--json")
    assert run.returncode == 4, run.stderr
    rows = {Path(row["folder"]).name: row["status"] for row in json.loads(run.stdout)["stacks"]}
    assert rows == {"doomed1": "failed", "doomed2": "failed", "fine1": "done", "fine2": "done"}
    assert "2 of 4 stacks done" in run.stderr.splitlines()[-1]
    again = run_command(tmp_path, *batch, "out", "--resume")
    assert again.returncode == 0, again.stderr
    for name in rows:
        assert {path.name for path in (tmp_path / "out" / name).iterdir()} == OUTPUTS


@pytest.mark.parametrize("deaf", [False, True])
def test_workers_end_with_a_parent_that_is_killed(tmp_path, batch, deaf):
    # One that is deaf loses the first signal, as an interrupt in a callback is lost.
    words = [*batch, "out", "--set", f"toy_trouble.kind={'deafen' if deaf else 'stall'}"]
    process = subprocess.Popen(
        command(tmp_path, *words), cwd=tmp_path, env=environment(tmp_path),
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with process:
        assert process.stderr is not None
        while "toy_linear" not in process.stderr.readline():
            pass
        children = _children(process.pid)
        assert len(children) >= 2
        process.send_signal(signal.SIGKILL)
    try:
        deadline = time.monotonic() + 60
        while any(map(_lives, children)):
            assert time.monotonic() < deadline, "a worker went on without its parent"
            time.sleep(0.1)
    finally:
        for child in filter(_lives, children):
            os.kill(child, signal.SIGKILL)


@pytest.mark.usefixtures("toy_stages")
def test_full_disk_costs_the_stack_that_it_meets(tmp_path, monkeypatch):
    pipeline = str(write_pipeline(tmp_path))
    flush = "burst.files.write._flush"

    def refuse(path: Path) -> None:
        if path.parent.name == "full" and "tif" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(flush, refuse)
    outcomes = [
        attempt(Job(write_stack(tmp_path / f"{name}.npy"), tmp_path / name, pipeline))
        for name in ("full", "free")
    ]
    assert [outcome.exit for outcome in outcomes] == [3, 0]
    assert "full/restored.tif: expected to write it, found 'No space left" in outcomes[0].message
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["restored.npy"]


@pytest.mark.usefixtures("toy_stages")
def test_what_a_killed_process_half_wrote_is_removed_and_nothing_else(tmp_path):
    folder = tmp_path / "out"
    (folder / "stages").mkdir(parents=True)
    ours = [".restored.12.npy", ".report.html.7", "stages/.toy_linear.12.npz"]
    for name in (*ours, ".notes.12.txt"):
        (folder / name).write_bytes(b"half")
    job = Job(write_stack(tmp_path / "a.npy"), folder, str(write_pipeline(tmp_path)))
    assert attempt(job).exit == 0
    assert [path.name for path in folder.rglob(".*")] == [".notes.12.txt"]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    """Tell whether a process is there and is no zombie, whose new parent may let it lie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
