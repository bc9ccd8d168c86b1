"""Measure the time and memory that work takes in this process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from burst.lazy import psutil
from burst.machine import return_freed_memory

T = TypeVar("T")

SAMPLE_INTERVAL = 0.5  # seconds
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see proc_pid_clear_refs(5)


@dataclass(frozen=True)
class Cost:
    """Seconds, and the peak of memory (bytes) above what was resident; None if not reported."""

    seconds: float
    peak: int | None

    def then(self, later: Cost) -> Cost:
        """Return the cost of this work and later work, one after the other."""
        known = [peak for peak in (self.peak, later.peak) if peak is not None]
        return Cost(self.seconds + later.seconds, max(known, default=None))


NO_COST = Cost(0.0, None)


def measure_cost(work: Callable[[], T], base: int | None = None) -> tuple[T, Cost]:
    """Run some work; return its result and cost. Memory is counted from `base` (bytes)."""
    base = resident() if base is None else base
    known = _reset_peak()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    peak = _status("VmHWM") if known else None
    return result, Cost(seconds, None if peak is None or base is None else max(0, peak - base))


def resident() -> int | None:
    """Return the resident memory of this process in bytes; None where the system does not report
    it. Memory that was freed but kept for reuse is returned to the system first: it would hide
    later use."""
    return_freed_memory()
    return _status("VmRSS")


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its exit code, what it wrote to stdout and stderr, seconds, and the
    bytes of memory over time, which are empty where the system does not report them."""

    code: int
    output: str
    log: str
    seconds: float
    held: list[int]


def run_watched(command: Sequence[str]) -> Ended:
    """Run a command in a session of its own, whose memory is sampled twice a second."""
    held = []
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=log, start_new_session=True)
        while process.poll() is None:
            held.append(session_memory(process.pid))
            time.sleep(SAMPLE_INTERVAL)
        seconds = time.perf_counter() - started
        texts = []
        for file in (output, log):
            file.seek(0)
            texts.append(file.read().decode(errors="replace").strip())
    known = [size for size in held if size is not None]
    return Ended(process.returncode, texts[0], texts[1], seconds, known)


def session_memory(leader: int) -> int | None:
    """Return the bytes of a session, shared ones counted once; None if not reported."""
    total = 0
    for process in psutil.process_iter():
        # It has ended, is another user's, or the system counts no shares of memory.
        with suppress(psutil.Error, OSError, AttributeError):
            if os.getsid(process.pid) == leader:
                total += process.memory_full_info().pss
    return total or None


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        # Not Linux, or a container that forbids it: memory is then not reported.
        return False
    return True


def _status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)
