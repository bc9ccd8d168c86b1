"""Divide memory among stacks that are restored at the same time, before any is started."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from burst.files.fits_headers import image_shapes
from burst.files.folder import FITS_SUFFIXES
from burst.files.npy import count_values
from burst.files.ser import count_pixels
from burst.jobs.restore import BYTES_PER_PROCESS, Job
from burst.log import LOG
from burst.machine import BYTES_PER_PIXEL
from burst.records import StackError
from burst.settings import ConfigError


def share_memory(
    jobs: Sequence[Job], workers: int, free: int | None, asked: int | None = None
) -> list[Job]:
    """Return the jobs with their limits, `workers` processes at a time in `free` bytes of memory.

    Stacks whose shape is known from their header must fit together, the largest ones at once; any
    other stack gets an equal share. A stack too large even alone fails later, by itself.
    ConfigError names the number of processes that fit; None for `free` means unknown. Where a limit
    in bytes is `asked` for, every stack has an equal share of it: those that need more are read
    block by block.
    """
    if asked is not None:
        share = min(asked, asked if free is None else free) // workers - BYTES_PER_PROCESS
        if share <= 0:
            raise ConfigError(
                f"--memory: expected at least {workers * BYTES_PER_PROCESS / 1e9:.1f} GB, which"
                f" the libraries of {workers} process(es) take, found {asked / 1e9:.1f} GB."
            )
        return [replace(job, memory=share) for job in jobs]
    if free is None or workers == 1:
        return [replace(job, memory=free) for job in jobs]
    needs = [bytes_needed(job) for job in jobs]
    # A stack that never fits is rejected when it is started, and takes no memory.
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
    """Return the peak bytes of a process that restores a stack; None of unknown shape."""
    pixels = _pixels(job.path)
    return None if pixels is None else BYTES_PER_PROCESS + pixels * BYTES_PER_PIXEL


def _pixels(path: Path) -> int | None:
    """Return the number of pixels of a npy, SER or FITS stack, 0 for a broken one; None for
    others, and for packed files, whose headers are not read without all that is between."""
    if path.suffix.lower() in FITS_SUFFIXES:
        return sum(math.prod(shape) for shape in image_shapes(path))
    try:
        if path.suffix.lower() == ".npy":
            return count_values(path)
        if path.suffix.lower() == ".ser":
            return count_pixels(path)
    except StackError:
        # The error is reported when the stack is read.
        return 0
    return None


def _together(needs: Sequence[int | None], workers: int, free: int) -> int:
    """Return the bytes of the `workers` largest stacks together; an unknown one takes its share."""
    known = [free // workers if need is None else need for need in needs]
    return sum(sorted(known)[-workers:])
