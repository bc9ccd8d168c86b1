"""Share memory among stacks that are restored at the same time, before any of them is begun."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from burst.config import ConfigError
from burst.files.npy import count_values
from burst.files.ser import count_pixels
from burst.jobs.restore import Job
from burst.machine import BYTES_PER_PIXEL
from burst.records import StackError

LOG = logging.getLogger("burst")

# What a process takes besides: libraries, and the gaps that many stacks leave between them.
BYTES_PER_PROCESS = 600_000_000


def share_memory(jobs: Sequence[Job], workers: int, free: int | None) -> list[Job]:
    """Return the jobs with their limits, `workers` processes at a time in `free` bytes of memory.

    Where the shape of a stack is known from its header, the largest stacks must fit together; any
    other stack gets an equal share. One that is too large even alone is left to be refused by
    itself. ConfigError names the number of processes that fit; None for `free` means unknown.
    """
    if free is None or workers == 1:
        return [replace(job, memory=free) for job in jobs]
    needs = [bytes_needed(job) for job in jobs]
    # A stack that never fits is refused when its turn comes: it takes no memory.
    counted = [need for need in needs if need is None or need <= free]
    taken = _together(counted, workers, free)
    if taken > free:
        fitting = max(k for k in range(1, workers) if k == 1 or _together(counted, k, free) <= free)
        raise ConfigError(
            f"--jobs {workers}: expected {workers} stacks at a time to fit into {free / 1e9:.1f} GB"
            f" of free memory, found that the largest need about {taken / 1e9:.1f} GB together."
            f" Pass --jobs {fitting}."
        )
    LOG.info(
        "%d stacks at a time need up to %.1f of %.1f GB of free memory",
        workers, taken / 1e9, free / 1e9,
    )  # fmt: skip
    share = free // workers
    limits = [share if need is None else free for need in needs]
    return [
        replace(job, memory=max(0, limit - BYTES_PER_PROCESS))
        for job, limit in zip(jobs, limits, strict=True)
    ]


def bytes_needed(job: Job) -> int | None:
    """Return the peak memory of the process that restores a stack; None if its header is silent."""
    pixels = _pixels(job.path)
    return None if pixels is None else BYTES_PER_PROCESS + pixels * BYTES_PER_PIXEL


def _pixels(path: Path) -> int | None:
    """Return the pixels of a stack that can be mapped, none for a broken one; else None."""
    try:
        if path.suffix.lower() == ".npy":
            return count_values(path)
        if path.suffix.lower() == ".ser":
            return count_pixels(path)
    except StackError:
        # It is told of when its turn comes.
        return 0
    return None


def _together(needs: Sequence[int | None], workers: int, free: int) -> int:
    """Return the bytes of the largest stacks that may meet; an unknown one may take its share."""
    known = [free // workers if need is None else need for need in needs]
    return sum(sorted(known)[-workers:])
