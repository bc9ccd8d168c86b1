"""Send jobs to the workers of a running Dask cluster, which share a disk with this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from burst.about import optional
from burst.command import Exit, explain
from burst.config import find_pipeline
from burst.fingerprint import code_digest
from burst.jobs.bar import Show
from burst.jobs.batch import Outcome, attempt, log_stage
from burst.jobs.helpers import ONE_AT_A_TIME, check_code, is_shared, restore_with_help
from burst.jobs.restore import Job
from burst.log import LOG
from burst.machine import available_memory, devices_of
from burst.settings import ConfigError

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS_TO_CONNECT = 10


def run_on_cluster(
    jobs: Sequence[Job], address: str, show: Show | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of every job as it ends; a job whose worker is lost is done again. `show`
    is called for each that has ended.

    ConfigError if the extra `cluster` is missing or no scheduler answers at `address`.
    """
    with _connect(address) as client:
        from distributed import as_completed

        _look_at_workers(client)
        if len(jobs) == 1 and is_shared(jobs[0]):
            yield restore_with_help(jobs[0], client, show)
            return
        there = [_with_absolute_paths(job) for job in jobs]
        futures = client.map(restore_there, there, code=code_digest(), pure=False)
        waiting = {future.key: job for future, job in zip(futures, jobs, strict=True)}
        ended = as_completed(futures, loop=client.loop)
        # Lets the cluster free finished results.
        del futures
        for future in ended:
            job = waiting.pop(future.key)
            if show:
                show(job.path, (), 1.0)
            yield _outcome(future, job)


def restore_there(job: Job, code: str) -> Outcome:
    """Do a job on a worker, one at a time in a process; `code` is the code digest of the sender."""
    try:
        check_code(code)
    except ConfigError as error:
        return Outcome(job, Exit.SETTINGS, 0.0, f"{job.path}: {error}")
    with ONE_AT_A_TIME:
        device, fallback = devices_of(job.device)
        limit = available_memory(job.memory)
        return attempt(replace(job, device=device, fallback=fallback, memory=limit), log_stage)


def _connect(address: str) -> Client:
    dask = optional("distributed", "cluster", ConfigError, f"--scheduler {address}, of Dask")
    for name in ("distributed", "distributed.client"):
        # Their tracebacks of a lost connection would hide our message.
        logging.getLogger(name).handlers[:] = [logging.NullHandler()]
    try:
        client: Client = dask.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        return client
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--scheduler {address}: expected a Dask scheduler, none answered in"
            f" {SECONDS_TO_CONNECT} s. Start `dask scheduler` and pass the address that it prints."
        ) from error


def _look_at_workers(client: Client) -> None:
    """Log the number of workers, and warn of threads that would only wait for each other."""
    threads = client.nthreads()
    LOG.info("%d workers on the cluster; others may join at any time", len(threads))
    if any(count > 1 for count in threads.values()):
        LOG.warning(
            "workers of several threads have joined, but a process restores one stack at a time."
            " Start them with `dask worker --nthreads 1 --nworkers N`."
        )


def _with_absolute_paths(job: Job) -> Job:
    """Return a job whose paths are valid in any working directory."""
    pipeline = find_pipeline(job.pipeline).absolute()
    return replace(
        job, path=job.path.absolute(), folder=job.folder.absolute(), pipeline=str(pipeline)
    )


def _outcome(future: Future[Outcome], job: Job) -> Outcome:
    """Return the outcome of a job, or a failed one with the reason why no worker finished it."""
    if future.status == "finished":
        outcome = future.result()
        future.release()
        return replace(outcome, job=job)
    error = future.exception() if future.status == "error" else None
    if error is None:
        return _failed(job, "the scheduler was lost. Start it again, and repeat with --resume.")
    if type(error).__name__ == "KilledWorker":
        return _failed(job, "all workers that took it were killed. If memory ran out, give more.")
    failure = explain(error)
    return Outcome(job, failure.exit, 0.0, failure.message)


def _failed(job: Job, reason: str) -> Outcome:
    return Outcome(job, Exit.PROCESSING_FAILED, 0.0, f"{job.path}: {reason}")
