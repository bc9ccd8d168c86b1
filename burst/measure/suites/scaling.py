"""Seconds and memory of a whole process, imports included, over frames and over pixels.

Stacks of more than 200 frames, or of more than 1024 px, are measured up to --frames and --size.
With --peers each of them restores the same stacks in a process of its own, right after ours.

Nothing here imports torch: a child process inherits the peak memory of its parent, so that a large
parent would be counted as the child's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

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
POWERS = np.arange(50, 201) / 100  # that are tried


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
        own = _run("burst", *words)
        image = str(Path(folder) / "peer.npy")
        found = {name: _run("burst.measure.peers", name, str(stack), image) for name in peers}
    return {**own, "peers": found}


def scaling_cases(level: str, seed: int, frames: int = 0, size: int = 0) -> list[Case]:
    """Return stacks that grow in frames, then in size, to the usual ones or to these."""
    most, largest = max(frames, USUAL_COUNT), max(size, USUAL_SIZE)
    shapes = [(count, SIZE) for count in FRAME_COUNTS if count <= most]
    shapes += [(FRAMES, side) for side in SIZES if side <= largest]
    return [Case(IMAGE, level, seed, frames, size) for frames, size in dict.fromkeys(shapes)]


def _run(module: str, *arguments: str) -> dict[str, float]:
    """Run a module in its own process; return its seconds, those of the processor, which are the
    same on a busy machine, and its peak memory (bytes); of what it started as well."""
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
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "processor": usage.ru_utime + usage.ru_stime, "peak": peak}


def _plot(records: Sequence[Record], path: Path) -> None:
    """Draw seconds and memory over the number of values in the stack."""
    draw_scaling(
        {
            f"{SIZE} x {SIZE} px, more frames": _of(records, "size", SIZE),
            f"{FRAMES} frames, more pixels": _of(records, "frames", FRAMES),
        },
        path,
    )


def _table(records: Sequence[Record]) -> str:
    columns = [
        ("frames", "{case[frames]}"),
        ("pixels", "{case[size]} x {case[size]}"),
        ("seconds", "{seconds:.1f}"),
        ("of the processor", "{processor:.1f}"),
        ("frames a second", "{rate:.0f}"),
        ("ns a pixel and frame", "{each:.0f}"),
        ("peak MiB", "{mib:.0f}"),
    ]
    for name in records[0].get("peers", {}):
        columns.append((f"{name}, of the processor", f"{{{name} seconds:.1f}}"))
        columns.append(("ours over it", f"{{{name} ratio:.2f}}"))
        columns.append(("its peak MiB", f"{{{name} mib:.0f}}"))
    rows = row_each(map(_with_ratios, records), columns)
    return f"{rows}\n\n{_growth(records)}"


def _growth(records: Sequence[Record]) -> str:
    """Say how the seconds of the processor grow with the frames, and with the pixels."""
    said = []
    for what, axis, sweep in (("frames", "frames", _of(records, "size", SIZE)),
                              ("pixels", "size", _of(records, "frames", FRAMES))):  # fmt: skip
        if len(sweep) > 3:
            amount = [r["case"][axis] ** (1 if what == "frames" else 2) for r in sweep]
            start, power = fitted_power(amount, [r["processor"] for r in sweep])
            said.append(f"as the {what} to the power {power:.2f} (after {start:.1f} s)")
    return f"The seconds of the processor grow {' and '.join(said)}." if said else ""


def fitted_power(amounts: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Return start and power of seconds = start + factor * amount ** power, by least squares of the
    relative errors; neither start nor factor is negative."""
    cost, best = np.array(seconds), (np.inf, 0.0, 0.0)
    for power in POWERS:
        grown = np.array(amounts, float) ** power / max(amounts) ** power
        columns = np.stack([np.ones_like(cost), grown], axis=1) / cost[:, None]
        start, factor = np.linalg.lstsq(columns, np.ones_like(cost), rcond=None)[0]
        if start < 0:
            start, factor = 0.0, columns[:, 1].sum() / np.square(columns[:, 1]).sum()
        error = float(np.square(columns @ (start, factor) - 1).sum())
        best = min(best, (error, float(start), float(power)))
    return best[1:]


def _of(records: Sequence[Record], axis: str, value: int) -> list[Record]:
    return [r for r in records if r["case"][axis] == value]


def _with_ratios(record: Record) -> Record:
    """Return a record with what a value of its stack costs, and how it compares with peers."""
    values = record["case"]["frames"] * record["case"]["size"] ** 2
    found = {**record, "each": 1e9 * record["processor"] / values, "mib": record["peak"] / MIB}
    found["rate"] = record["case"]["frames"] / record["seconds"]
    for name, own in record.get("peers", {}).items():
        found[f"{name} seconds"], found[f"{name} mib"] = own["processor"], own["peak"] / MIB
        found[f"{name} ratio"] = record["processor"] / own["processor"]
    return found


SUITE = Suite(
    title="Cost over frames and pixels",
    cases=lambda options: scaling_cases("medium", options.seed, options.frames, options.size),
    measure=lambda options: partial(measure, options, tuple(peers_if(options.peers))),
    table=_table,
    settings=lambda options: f"{options.load().to_toml()}\nthreads {options.threads}",
    plot=_plot,
    separate_processes=True,
)
