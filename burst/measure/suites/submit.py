"""A challenge in one command: from a folder of coded targets to a checked zip."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from burst.data.targets import decode
from burst.measure.cost import watch_memory
from burst.measure.results import Record
from burst.measure.stacks import TARGET, Case, draw_scene, simulate_case
from burst.measure.suite import Suite
from burst.measure.tables import MIB, markdown
from burst.records import StackError

LOG = logging.getLogger("burst")

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


@dataclass(frozen=True)
class SubmitBench:
    """A pipeline, as arguments of the command line."""

    pipeline: Sequence[str]

    def measure(self, submitted: Submission) -> Record:
        """Simulate the stacks, submit them, check the zip and read the bits of its images."""
        with tempfile.TemporaryDirectory() as folder:
            stacks, out = Path(folder) / "stacks", Path(folder) / "out"
            write_targets(stacks, submitted)
            where = ("--stacks", str(stacks), "--challenge", submitted.challenge)
            shared = (
                "--jobs",
                str(submitted.jobs),
                "--threads",
                str(submitted.jobs),
                "--device",
                "cpu",
            )
            LOG.info("%s: restoring, packing and checking", submitted.name)
            seconds, peak = _run(*where, "--name", NAME, "--out", str(out), *shared, *self.pipeline)
            submission = out / NAME / f"{NAME}.zip"
            _run(*where, "--check", str(submission))
            return {"seconds": seconds, "peak": peak, "bits": bits_right(submission, submitted)}


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


def _run(*arguments: str) -> tuple[float, int | None]:
    """Run `burst submit`; return its seconds and the peak of the memory of all its processes."""
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        command = [sys.executable, "-m", "burst", "submit", *arguments, "--quiet"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        peak = max(watch_memory(process), default=None)
        seconds = time.perf_counter() - started
        if process.returncode:
            log.seek(0)
            message = log.read().decode(errors="replace").strip()
            raise StackError(
                f"burst submit {' '.join(arguments)}: expected success, found: {message}"
            )
    return seconds, peak


def _table(records: Sequence[Record]) -> str:
    """Return the cost of each submission and the share of right bits of its images."""
    levels = list(records[0]["bits"])
    head = ["submission", "seconds", "stacks a minute", "peak MiB", *(f"{n}, bits" for n in levels)]
    rows = []
    for r in records:
        case, count = r["case"], r["case"]["per_level"] * len(levels)
        rows.append(
            [
                f"{case['challenge']}: {count} stacks, {case['jobs']} at a time",
                f"{r['seconds']:.0f}",
                f"{60 * count / r['seconds']:.1f}",
                "unknown" if r["peak"] is None else f"{r['peak'] / MIB:.0f}",
                *(f"{100 * r['bits'][level]:.2f} %" for level in levels),
            ]
        )
    return markdown(head, rows)


SUITE = Suite(
    title="A challenge in one command",
    cases=lambda options: submissions(options.seed),
    measure=lambda options: SubmitBench(options.arguments()).measure,
    table=_table,
    notes=(
        "`burst submit` from a folder of simulated stacks of coded targets to a zip that"
        " `burst submit --check` finds no fault with: seconds and memory are those of the whole"
        " command and all its processes, each with one thread; bits are read from the images in the"
        " zip."
    ),
    separate_processes=True,
)
