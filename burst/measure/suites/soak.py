"""Batches with broken stacks among good ones, killed at random times, then resumed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from burst.measure.cost import Ended, run_watched
from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case
from burst.measure.suite import Suite
from burst.measure.tables import MIB, row_each
from burst.records import StackError

STACKS, KILLS, JOBS = 200, 20, 2
FRAMES, SIZE = 20, 64
ONE_BROKEN_IN = 10
COMPARED = ("restored.npy", "restored.tif", "restored.png", "pipeline.toml")


@dataclass(frozen=True)
class Batch:
    """A batch: number and size of stacks, one in ten broken, and how often it is killed."""

    stacks: int
    kills: int
    jobs: int
    frames: int
    size: int
    seed: int

    @property
    def name(self) -> str:
        """The counts in words."""
        return f"{self.stacks} stacks, {self.kills} kills"


def measure(pipeline: Sequence[str], case: Batch) -> Record:
    """Restore the same stacks without and with kills; return what differs and is lost. `pipeline`
    are arguments of the command line."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        stacks, whole, killed = (Path(folder) / n for n in ("stacks", "whole", "killed"))
        broken = write_stacks(stacks, case)
        command = partial(_command, stacks, jobs=case.jobs, pipeline=pipeline)
        ended = run_watched([*command(whole), "--json"])
        expected = _messages(stacks, ended)
        kills = _kill(command(killed), case, ended.seconds)
        found = _messages(stacks, run_watched([*command(killed), "--json"]))
        return {
            "kills": kills,
            "seconds": ended.seconds,
            "restored": sum(not message for message in found.values()),
            "broken": len(broken),
            "unexpected": [n for n in expected if bool(expected[n]) != (n in broken)],
            "lost": [n for n in expected if bool(found.get(n)) != bool(expected[n])],
            "different": _differences(whole, killed),
            "memory": thirds(ended.held),
            "reasons": {name: expected[name] for name in sorted(broken)},
        }


def _command(stacks: Path, out: Path, jobs: int, pipeline: Sequence[str]) -> list[str]:
    arguments = ["--stack", str(stacks), "--out", str(out), "--jobs", str(jobs)]
    options = ["--threads", str(jobs), "--device", "cpu", "--resume", "--quiet"]
    return [sys.executable, "-m", "burst", "run", *arguments, *options, *pipeline]


def _messages(stacks: Path, ended: Ended) -> dict[str, str]:
    """Return the message of each stack of a batch by name, empty where it was restored."""
    try:
        rows = json.loads(ended.output)["stacks"]
    except ValueError:
        raise StackError(f"{stacks}: expected a batch that ends, found: {ended.log}") from None
    return {Path(row["stack"]).stem: row["message"] for row in rows}


def _kill(command: Sequence[str], case: Batch, seconds: float) -> int:
    """Start the batch repeatedly and kill it at random times; return the number of kills."""
    generator, null = random.Random(case.seed), subprocess.DEVNULL
    for kill in range(case.kills):
        batch = subprocess.Popen(command, stdout=null, stderr=null, start_new_session=True)
        try:
            batch.wait(generator.uniform(0, 2 * seconds / case.kills))
            return kill
        except subprocess.TimeoutExpired:
            # Kill only the batch, whose workers must then end by themselves, or all processes.
            end: Callable[[int, int], None] = generator.choice((os.kill, os.killpg))
            end(batch.pid, signal.SIGKILL)
            batch.wait()
    return case.kills


def thirds(held: Sequence[int]) -> list[int]:
    """Return the peak memory in each third of the time, where it is known."""
    cuts = [round(i * len(held) / 3) for i in range(4)]
    parts = [held[a:b] for a, b in pairwise(cuts)]
    return [max(part) for part in parts if part]


def write_stacks(folder: Path, case: Batch) -> set[str]:
    """Write the stacks of a case as .npy, one in ten broken; return the broken ones' names."""
    folder.mkdir(parents=True)
    broken: set[str] = set()
    for number in range(case.stacks):
        path = folder / f"{number:04d}.npy"
        shown = Case("camera", "medium", case.seed + number, case.frames, case.size)
        np.save(path, simulate_case(shown)[0].stack.frames)
        if number % ONE_BROKEN_IN == ONE_BROKEN_IN // 2:
            faults = tuple(BREAK.values())
            faults[len(broken) % len(faults)](path)
            broken.add(path.stem)
    return broken


def _insert_nan(path: Path) -> None:
    frames = np.load(path).astype(np.float32)
    # A few would only not count.
    frames[: len(frames) // 2] = np.nan
    np.save(path, frames)


def _break_link(path: Path) -> None:
    """Make the file a broken link, since closed permissions do not stop every user."""
    path.unlink()
    path.symlink_to(path.with_suffix(".gone"))


BREAK: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "wrong type": lambda path: np.save(path, np.load(path).astype("U5")),
    "NaN": _insert_nan,
    "empty": lambda path: path.write_bytes(b""),
    "unreadable": _break_link,
}


def _differences(whole: Path, killed: Path) -> list[str]:
    """Return the files that differ between two folders of results, and those half written."""
    names = sorted(
        {path.name for out in (whole, killed) for path in out.iterdir() if path.is_dir()}
    )
    pairs = [(whole / name / file, killed / name / file) for name in names for file in COMPARED]
    differing = [f"{b.parent.name}/{b.name}" for a, b in pairs if _bytes(a) != _bytes(b)]
    return differing + [str(path.relative_to(killed)) for path in killed.rglob(".*")]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _table(records: Sequence[Record]) -> str:
    """Return what the kills did to each batch; the last three counts should be 0. Memory is the
    peak of all processes in the first, second and last third of the time."""
    columns = (
        ("batch", "{case[stacks]} stacks"),
        ("kills", "{kills}"),
        ("restored", "{restored}"),
        ("broken", "{broken}"),
        ("unexpected", "{counts[0]}"),
        ("lost", "{counts[1]}"),
        ("files that differ", "{counts[2]}"),
        ("peak MiB by thirds of the time", "{held}"),
    )
    rows = [
        {
            **r,
            "counts": [len(r[name]) for name in ("unexpected", "lost", "different")],
            "held": ", ".join(f"{held / MIB:.0f}" for held in r["memory"]) or "unknown",
        }
        for r in records
    ]
    return row_each(rows, columns)


SUITE = Suite(
    title="Broken stacks and killed batches",
    cases=lambda options: [Batch(STACKS, KILLS, JOBS, FRAMES, SIZE, options.seed)],
    measure=lambda options: partial(measure, options.arguments()),
    table=_table,
)
