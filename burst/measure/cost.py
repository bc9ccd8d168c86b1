"""Seconds and memory that a piece of work takes within this process."""

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

LOOK_EVERY = 0.5  # seconds
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see proc_pid_clear_refs(5)


@dataclass(frozen=True)
class Cost:
    """Seconds, and the peak of resident memory (bytes) over what was resident before.

    `peak` is None where the system does not tell.
    """

    seconds: float
    peak: int | None

    def then(self, later: Cost) -> Cost:
        """Return the cost of this work and later work, one after the other."""
        known = [peak for peak in (self.peak, later.peak) if peak is not None]
        return Cost(self.seconds + later.seconds, max(known, default=None))


FREE = Cost(0.0, None)


def measured(work: Callable[[], T], base: int | None = None) -> tuple[T, Cost]:
    """Do some work; return its result and cost. Memory is counted from `base` (bytes)."""
    base = resident() if base is None else base
    known = _reset_peak()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    peak = _status("VmHWM") if known else None
    return result, Cost(seconds, None if peak is None or base is None else max(0, peak - base))


def resident() -> int | None:
    """Return the bytes of memory this process holds now; None where the system does not tell.

    What was freed but is kept for later use is handed back first: it would hide what comes next.
    """
    # Only the C library of GNU has this.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return _status("VmRSS")


def watch_memory(process: subprocess.Popen[bytes]) -> list[int]:
    """Wait for the leader of a session; return the bytes of all its processes, seen twice a second.

    Nothing where the system does not tell.
    """
    seen = []
    while process.poll() is None:
        seen.append(session_memory(process.pid))
        time.sleep(LOOK_EVERY)
    return [held for held in seen if held is not None]


def session_memory(leader: int) -> int | None:
    """Return the bytes that all processes of a session hold, what they share counted once.

    None where the system does not tell.
    """
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != leader:
                continue
            lines = (folder / "smaps_rollup").read_text("ascii").splitlines()
        except OSError:
            # It has ended, or is another user's.
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total or None


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        # Not Linux, or a container that forbids it: memory is then not told.
        return False
    return True


def _status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)
