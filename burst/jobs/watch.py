"""Live stacking: restore a folder again and again while frames are added to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from burst.files.folder import visible_entries
from burst.jobs.batch import Outcome
from burst.jobs.restore import Job
from burst.result import earlier_report

LOOK_EVERY = 1.0  # seconds; what has not changed between two looks is written
# A restoration takes time for all frames so far: one for every tenth more frames costs about ten
# times the last one in all, however many frames come.
GROWTH = 1.1


def watch(job: Job, attempt: Callable[[Job], Outcome], idle: float | None) -> Iterator[Outcome]:
    """Yield the outcome of each restoration of a growing folder; end after `idle` seconds in which
    nothing was added (None: never).

    It is restored when it has grown by a tenth, and when nothing more comes. A folder that cannot
    be read, as its last frame is being written or too few have come, is looked at again.
    """
    done, seen, since = 0, -1, time.monotonic()
    while True:
        size = size_of(job.path)
        settled = size == seen
        if not settled:
            seen, since = size, time.monotonic()
        if size > done and (settled or size >= GROWTH * done):
            outcome = attempt(job)
            if outcome.result is not None or settled:
                done = size
                yield outcome
                continue
        elif settled and idle is not None and time.monotonic() - since >= idle:
            return
        time.sleep(LOOK_EVERY)


def size_of(path: Path) -> int:
    """Return the bytes of all files of a folder."""
    total = 0
    for entry in visible_entries(path):
        with suppress(OSError):  # renamed meanwhile
            total += entry.stat().st_size if entry.is_file() else 0
    return total


def accepted(folder: Path) -> str:
    """Return how many frames of a restored stack took part, in words."""
    report = earlier_report(folder)
    count = report.get("stack", {}).get("frames", 0)
    weights = report.get("measured", {}).get("weights")
    used = count if weights is None else sum(weight > 0 for weight in weights)
    return f"{count} frames, {used / max(count, 1):.0%} accepted"
