"""Restore one stack with the help of a Dask cluster: its workers make the blocks of frames.

This process goes through the stages. What it would make of each block of frames (aligned samples,
sums) is made by the workers, which read the same files, and is joined here in the order of the
blocks. The bytes are those that one process makes.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burst.fingerprint import code_digest
from burst.jobs.bar import Show
from burst.jobs.batch import Outcome, run_all
from burst.jobs.budget import bytes_needed
from burst.jobs.restore import Job
from burst.log import LOG
from burst.machine import available_memory, set_up
from burst.mapped import mapped_again, place_in_file, scratch_in
from burst.ops.share import helped_by
from burst.settings import ConfigError

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 2  # tasks for each worker that are asked for at a time: one is made, one waits
# A task of Dask costs 5 ms, so that small blocks are sent several at a time.
SECONDS_EACH, MOST_EACH = 0.3, 32

# Threads and random numbers of torch belong to a whole process.
ONE_AT_A_TIME = threading.Lock()


def is_shared(job: Job) -> bool:
    """Return whether a stack is known to be too large for the memory, so that it is shared."""
    need, limit = bytes_needed(job), available_memory(job.memory)
    return need is not None and limit is not None and need > limit


def restore_with_help(job: Job, client: Client, show: Show | None) -> Outcome:
    """Restore the stack of a job here, and have the workers of a cluster make its blocks."""
    folder = job.folder / f".scratch.{os.getpid()}"
    LOG.info("%s: its blocks of frames are shared among the workers", job.path)
    device = "cpu" if job.device == "auto" else job.device
    alone = replace(job, device=device, memory=available_memory(job.memory))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with scratch_in(folder), helped_by(partial(_made_there, client, folder, job.threads)):
            return replace(next(run_all([alone], 1, True, show)), job=job)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made_there(
    client: Client, folder: Path, threads: int, function: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    """Yield what workers make of items, in order. They find the function in a file, so that it
    outlives each of them."""
    place, code = folder / f"{uuid.uuid4().hex}.pkl", code_digest()
    place.write_bytes(_packed(function))
    waiting: deque[Any] = deque()
    most, each, left = AHEAD * max(1, len(client.nthreads())), 1, iter(items)
    while (some := list(islice(left, each))) or waiting:
        if some:
            waiting.append(client.submit(make_there, str(place), code, threads, some, pure=False))
        if not some or len(waiting) > most:
            made, seconds = waiting.popleft().result()
            each = max(1, min(MOST_EACH, round(len(made) * SECONDS_EACH / max(seconds, 1e-3))))
            yield from made
    place.unlink()


def make_there(
    place: str, code: str, threads: int, items: Sequence[Any]
) -> tuple[list[Any], float]:
    """Return what the function in a file makes of items, on a worker, and the seconds it took."""
    check_code(code)
    with ONE_AT_A_TIME:
        set_up(threads)
        function, started = _function_of(place), time.perf_counter()
        return [function(item) for item in items], time.perf_counter() - started


def check_code(code: str) -> None:
    """Raise ConfigError where this process has other code than that of a digest."""
    if code_digest() != code:
        raise ConfigError(
            f"expected the same burst on every worker, found another on {socket.gethostname()}."
            " Install it there again, and repeat with --resume."
        )


@lru_cache(maxsize=1)
def _function_of(place: str) -> Callable[[Any], Any]:
    made: Callable[[Any], Any] = pickle.loads(Path(place).read_bytes())
    return made


def _packed(function: Callable[[Any], Any]) -> bytes:
    """Return a function as bytes: of frames that lie in a file it holds the place alone."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            place = place_in_file(thing) if isinstance(thing, np.ndarray) else None
            return super().reducer_override(thing) if place is None else (mapped_again, place)

    packed = io.BytesIO()
    Pickler(packed).dump(function)
    return packed.getvalue()
