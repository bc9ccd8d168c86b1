"""Restore many stacks, one after another or several at once; one that fails costs only itself."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from burst.command import Exit, explain, interrupt, start_logging
from burst.restore import Job, Result, Watch, restore

LOG = logging.getLogger("burst")
SECONDS_TO_CLEAN_UP = 10


@dataclass(frozen=True)
class Outcome:
    """How one stack fared; `result` is None where it failed, and `message` says why."""

    job: Job
    exit: Exit
    seconds: float
    message: str = ""
    result: Result | None = None

    @property
    def status(self) -> str:
        """The outcome in one word."""
        if self.result is None:
            return "failed"
        return "skipped" if self.result.skipped else "done"


def run_all(jobs: Sequence[Job], workers: int, quiet: bool, watch: Watch) -> Iterator[Outcome]:
    """Yield the outcome of every job as it ends; more than one worker means a process per stack."""
    if workers == 1:
        for job in jobs:
            yield attempt(job, watch)
    else:
        yield from _in_processes(jobs, workers, quiet)


def attempt(job: Job, watch: Watch) -> Outcome:
    """Restore one stack; an error becomes an outcome."""
    started = time.perf_counter()
    try:
        result = restore(job, watch)
    except Exception as error:
        failure = explain(error, job.folder)
        return Outcome(job, failure.exit, time.perf_counter() - started, failure.message)
    return Outcome(job, Exit.DONE, time.perf_counter() - started, result=result)


def log_stage(stack: str, stage: str, seconds: float) -> None:
    """Tell of a stage that is done in a line of the log."""
    LOG.info("%s: %s, %.1f s", stack, stage, seconds)


@dataclass(frozen=True)
class _Worker:
    job: Job
    process: SpawnProcess
    started: float

    def outcome(self, connection: Connection) -> Outcome:
        """Return what the process sent; one that was killed sent nothing."""
        try:
            received = connection.recv()
        except EOFError:
            self.process.join()
            seconds = time.perf_counter() - self.started
            message = (
                f"{self.job.path}: its process was killed (exit {self.process.exitcode})."
                " If memory ran out, lower --jobs."
            )
            return Outcome(self.job, Exit.PROCESSING_FAILED, seconds, message)
        assert isinstance(received, Outcome)
        self.process.join(SECONDS_TO_CLEAN_UP)
        return received


def _in_processes(jobs: Sequence[Job], workers: int, quiet: bool) -> Iterator[Outcome]:
    waiting = deque(jobs)
    running: dict[Connection, _Worker] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                connection, worker = _start(waiting.popleft(), quiet)
                running[connection] = worker
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                yield running.pop(ready).outcome(ready)
    finally:
        _stop([worker.process for worker in running.values()])


def _start(job: Job, quiet: bool) -> tuple[Connection, _Worker]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, quiet, sender), daemon=True)
    # Ctrl-C reaches the whole group; the parent alone answers it, and ends its workers.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, previous)
    # With our copy of the sending end closed, a worker that dies ends the connection.
    sender.close()
    return receiver, _Worker(job, process, time.perf_counter())


def _work(job: Job, quiet: bool, sender: Connection) -> None:
    """Be the worker process of one stack."""
    start_logging(quiet)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sender.send(attempt(job, log_stage))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    finally:
        # The work is done or given up; the rest of the exit is not to be disturbed.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _stop(processes: Sequence[SpawnProcess]) -> None:
    """End workers, with time to remove what they have half written."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(SECONDS_TO_CLEAN_UP)
        if process.is_alive():
            with suppress(OSError):
                process.kill()
