"""Seconds and peak memory of a whole process, imports included, over frames and over pixels.

Stacks of more than 200 frames, or of more than 1024 px, are measured up to --frames and --size.
With --peers each of them restores the same stacks in a process of its own, right after ours.

Nothing here imports torch: a child process inherits the peak memory of its parent, so that a large
parent would be counted as the child's.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from burst.measure.peers.find import peers_if
from burst.measure.plots import draw_scaling
from burst.measure.results import Record
from burst.measure.stacks import Case
from burst.measure.suite import Options, Suite
from burst.measure.tables import MIB, row_each
from burst.records import StackError

FRAME_COUNTS, SIZE = (25, 50, 100, 200, 1000, 5000, 20000), 271
SIZES, FRAMES = (128, 271, 512, 1024, 2048, 4096), 100
USUAL_COUNT, USUAL_SIZE = 200, 1024  # larger ones take minutes and gigabytes, and are asked for
IMAGE = "camera"


def measure(options: Options, peers: Sequence[str], case: Case) -> Record:
    """Simulate a stack in one process, restore it in another; return the cost of the latter, and
    that of peers by name."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Path(folder) / "stack.npy"
        conditions = ("--image", case.image, "--level", case.level, "--seed", str(case.seed))
        shape = ("--frames", str(case.frames), "--size", str(case.size))
        _run("burst", "simulate", *conditions, *shape, "--out", str(stack), "--quiet")
        # Read it once, so that it is cached.
        stack.read_bytes()
        machine = ("--threads", str(options.threads), "--device", "cpu", "--quiet")
        words = ("run", "--stack", str(stack), "--out", folder, *options.arguments(), *machine)
        seconds, peak = _run("burst", *words)
        image = str(Path(folder) / "peer.npy")
        found = {name: _run("burst.measure.peers", name, str(stack), image) for name in peers}
    return {"seconds": seconds, "peak": peak, "peers": found}


def scaling_cases(level: str, seed: int, frames: int = 0, size: int = 0) -> list[Case]:
    """Return stacks that grow in frames, then in size, to the usual ones or to these."""
    most, largest = max(frames, USUAL_COUNT), max(size, USUAL_SIZE)
    shapes = [(count, SIZE) for count in FRAME_COUNTS if count <= most]
    shapes += [(FRAMES, side) for side in SIZES if side <= largest]
    return [Case(IMAGE, level, seed, frames, size) for frames, size in dict.fromkeys(shapes)]


def _run(module: str, *arguments: str) -> tuple[float, int]:
    """Run a module in its own process; return its seconds and peak memory (bytes)."""
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        # Popen must not wait again for a process that is gone.
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            message = log.read().decode(errors="replace").strip()
            raise StackError(
                f"{module} {' '.join(arguments)}: expected it to succeed, found: {message}"
            )
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _settings(options: Options) -> str:
    return f"{options.load().to_toml()}\nthreads {options.threads}"


def _plot(records: Sequence[Record], path: Path) -> None:
    """Draw seconds and memory over the number of values in the stack."""
    draw_scaling(
        {
            f"{SIZE} x {SIZE} px, more frames": [r for r in records if r["case"]["size"] == SIZE],
            f"{FRAMES} frames, more pixels": [r for r in records if r["case"]["frames"] == FRAMES],
        },
        path,
    )


def _table(records: Sequence[Record]) -> str:
    columns = [
        ("frames", "{case[frames]}"),
        ("pixels", "{case[size]} x {case[size]}"),
        ("seconds", "{seconds:.1f}"),
        ("frames a second", "{rate:.0f}"),
        ("ns a pixel and frame", "{each:.0f}"),
        ("peak MiB", "{mib:.0f}"),
    ]
    for name in records[0].get("peers", {}):
        columns.append((f"{name}, seconds", f"{{{name} seconds:.1f}}"))
        columns.append(("ours over it", f"{{{name} ratio:.2f}}"))
        columns.append(("its peak MiB", f"{{{name} mib:.0f}}"))
    rows = row_each(map(_with_ratios, records), columns)
    return f"{rows}\n\n{_exponent(records)}"


def _exponent(records: Sequence[Record]) -> str:
    """Say how the seconds grow with the values of the two largest stacks."""
    cost = sorted((r["case"]["frames"] * r["case"]["size"] ** 2, r["seconds"]) for r in records)
    if len(cost) < 2:
        return ""
    (fewer, quick), (more, slow) = cost[-2:]
    power = math.log(slow / quick) / math.log(more / fewer)
    return (
        f"Between the two largest stacks the seconds grow as the values to the power {power:.2f}."
    )


def _with_ratios(record: Record) -> Record:
    """Return a record with what a value of its stack costs, and how it compares with peers."""
    values = record["case"]["frames"] * record["case"]["size"] ** 2
    found = {**record, "each": 1e9 * record["seconds"] / values, "mib": record["peak"] / MIB}
    found["rate"] = record["case"]["frames"] / record["seconds"]
    for name, (seconds, peak) in record.get("peers", {}).items():
        found[f"{name} seconds"], found[f"{name} mib"] = seconds, peak / MIB
        found[f"{name} ratio"] = record["seconds"] / seconds
    return found


def _bench(options: Options) -> Callable[[Case], Record]:
    return partial(measure, options, tuple(peers_if(options.peers)))


SUITE = Suite(
    title="Cost over frames and pixels",
    cases=lambda options: scaling_cases("medium", options.seed, options.frames, options.size),
    measure=_bench,
    table=_table,
    settings=_settings,
    plot=_plot,
    separate_processes=True,
)
