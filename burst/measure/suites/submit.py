"""A challenge in one command: from a folder of coded targets to a checked zip."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from burst.data.targets import decode
from burst.log import LOG
from burst.measure.cost import Ended, run_watched
from burst.measure.results import Record
from burst.measure.stacks import TARGET, Case, draw_scene, simulate_case
from burst.measure.suite import Suite
from burst.measure.tables import MIB, row_each
from burst.records import StackError

LEVELS = ("low", "medium", "high", "very-high")
FRAMES, SIZE = 100, 271
NAME = "bench"
REPORT_EVERY = 8  # stacks


@dataclass(frozen=True)
class Submission:
    """A submission: the challenge (name or file), stacks of each level, parallel jobs."""

    challenge: str
    per_level: int
    jobs: int
    frames: int
    size: int
    seed: int

    @property
    def name(self) -> str:
        """The counts in words."""
        return f"{self.per_level * len(LEVELS)} stacks, {self.jobs} at a time"

    def cases(self) -> dict[str, Case]:
        """Return the stacks by the place of their files ("low/low-007.npy")."""
        return {
            f"{level}/{level}-{i:03d}.npy": Case(
                f"{TARGET}{i}", level, self.seed, self.frames, self.size
            )
            for level in LEVELS
            for i in range(self.per_level)
        }


def submissions(seed: int) -> list[Submission]:
    """Return the dry run, with one and with two jobs, and the final."""
    dry, final = ("ug2-dry-run", 8), ("ug2-coded-target", 48)
    return [
        Submission(*challenge, jobs, FRAMES, SIZE, seed)
        for challenge, jobs in ((dry, 1), (dry, 2), (final, 2))
    ]


def measure(pipeline: Sequence[str], submitted: Submission) -> Record:
    """Simulate the stacks, submit them, check the zip and read the bits of its images; `pipeline`
    are arguments of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        stacks, out, jobs = Path(folder) / "stacks", Path(folder) / "out", str(submitted.jobs)
        write_targets(stacks, submitted)
        where = ("--stacks", str(stacks), "--challenge", submitted.challenge)
        shared = ("--jobs", jobs, "--threads", jobs, "--device", "cpu")
        LOG.info("%s: restoring, packing and checking", submitted.name)
        ended = _run(*where, "--name", NAME, "--out", str(out), *shared, *pipeline)
        submission = out / NAME / f"{NAME}.zip"
        _run(*where, "--check", str(submission))
        peak = max(ended.held, default=None)
        bits = bits_right(submission, submitted)
        return {"seconds": ended.seconds, "peak": peak, "bits": bits}


def write_targets(folder: Path, submitted: Submission) -> None:
    """Write the stacks of a submission, on all processors."""
    for level in LEVELS:
        (folder / level).mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        paths = [folder / place for place in submitted.cases()]
        for done, _ in enumerate(pool.map(_write, paths, submitted.cases().values()), start=1):
            if done % REPORT_EVERY == 0:
                LOG.info("%s: %d of %d simulated", submitted.name, done, len(paths))


def bits_right(submission: Path, submitted: Submission) -> dict[str, float]:
    """Return the share of right bits of each level in the images of a zip."""
    shares: dict[str, list[float]] = {level: [] for level in LEVELS}
    with zipfile.ZipFile(submission) as archive:
        for place, case in submitted.cases().items():
            with archive.open(f"{Path(place).stem}_out.npy") as file:
                image = np.load(file).astype(np.float32)
            _, layout = draw_scene(case)
            assert layout is not None
            shares[case.level].append(decode(torch.from_numpy(image), layout).share)
    return {level: float(np.mean(found)) for level, found in shares.items()}


def _write(path: Path, case: Case) -> None:
    torch.set_num_threads(1)
    np.save(path, simulate_case(case)[0].stack.frames)


def _run(*arguments: str) -> Ended:
    """Run `burst submit`; StackError with what it says if it fails."""
    ended = run_watched([sys.executable, "-m", "burst", "submit", *arguments, "--quiet"])
    if ended.code:
        raise StackError(
            f"burst submit {' '.join(arguments)}: expected success, found: {ended.log}"
        )
    return ended


def _table(records: Sequence[Record]) -> str:
    """Return the cost of each submission and the share of right bits of its images."""
    levels = list(records[0]["bits"])
    columns = (
        ("submission", "{case[challenge]}: {count} stacks, {case[jobs]} at a time"),
        ("seconds", "{seconds:.0f}"),
        ("stacks a minute", "{rate:.1f}"),
        ("peak MiB", "{held}"),
        *((f"{level}, bits", f"{{percent[{level}]:.2f}} %") for level in levels),
    )
    rows = []
    for r in records:
        count = r["case"]["per_level"] * len(levels)
        held = "unknown" if r["peak"] is None else f"{r['peak'] / MIB:.0f}"
        percent = {level: 100 * share for level, share in r["bits"].items()}
        rate = 60 * count / r["seconds"]
        rows.append({**r, "count": count, "rate": rate, "held": held, "percent": percent})
    return row_each(rows, columns)


SUITE = Suite(
    title="A challenge in one command",
    cases=lambda options: submissions(options.seed),
    measure=lambda options: partial(measure, options.arguments()),
    table=_table,
    notes=(
        "`burst submit` from a folder of simulated stacks of coded targets to a zip that"
        " `burst submit --check` finds no fault with: seconds and memory are those of the whole"
        " command and all its processes, each with one thread; bits are read from the images in the"
        " zip."
    ),
    separate_processes=True,
)
