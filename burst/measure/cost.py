"""Measure the time and memory that work takes in this process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SAMPLE_INTERVAL = 0.5  # seconds
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see proc_pid_clear_refs(5)


@dataclass(frozen=True)
class Cost:
    """Seconds, and the peak of resident memory (bytes) above what was resident before. `peak` is
    None where the system does not report it."""

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
    # Only in the GNU C library.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return _status("VmRSS")


def watch_memory(process: subprocess.Popen[bytes]) -> list[int]:
    """Wait for the leader of a session; return the bytes of all its processes, sampled twice a
    second. Empty where the system does not report it."""
    seen = []
    while process.poll() is None:
        seen.append(session_memory(process.pid))
        time.sleep(SAMPLE_INTERVAL)
    return [held for held in seen if held is not None]


def session_memory(leader: int) -> int | None:
    """Return the bytes of all processes of a session, with shared memory counted once. None where
    the system does not report it."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != leader:
                continue
            lines = (folder / "smaps_rollup").read_text("ascii").splitlines()
        except OSError:
            # The process has ended, or is another user's.
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
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
