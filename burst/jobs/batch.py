"""Restore many stacks, one after another or several at once; one that fails costs only itself."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path

from burst.command import Exit, collect_rarely, explain, interrupt, start_logging
from burst.jobs.bar import Show
from burst.jobs.restore import STAGES, Job, JobResult, restore
from burst.log import LOG
from burst.machine import end_with_parent
from burst.progress import listening_to
from burst.restoration import OnStage

RECORD = "batch.json"  # in the folder of all results: the outcome of each stack of a batch
SECONDS_TO_CLEAN_UP = 10
MESSAGE_EVERY = 0.3  # seconds

# Temporary names that `files.write` and `report.write` give to results; the number is the process.
LEFTOVER = re.compile(r"\.(restored(-\d+)?|pipeline|report|report\.json|report\.html)\.\d+(\.\w+)?")


@dataclass(frozen=True)
class ProgressMessage:
    """What a worker process sends about its stack: the part that runs, and the share done."""

    names: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job; `result` is None where it failed, and `message` says why."""

    job: Job
    exit: Exit
    seconds: float
    message: str = ""
    result: JobResult | None = None

    @property
    def status(self) -> str:
        """The outcome in one word."""
        if self.result is None:
            return "failed"
        return "skipped" if self.result.skipped else "done"


def run_all(
    jobs: Sequence[Job], workers: int, quiet: bool, show: Show | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of every job as it ends; more than one worker means processes.

    `show` is called with the progress of each stack; without it each finished stage is logged.
    """
    alone = (_shown(job, show) for job in jobs)
    for outcome in alone if workers == 1 else _in_processes(jobs, workers, quiet, show):
        if show:
            show(outcome.job.path, (), 1.0)
        yield outcome


def _shown(job: Job, show: Show | None) -> Outcome:
    if show is None:
        return attempt(job, log_stage)
    with listening_to(partial(show, job.path)):
        return attempt(job)


def attempt(job: Job, on_stage: OnStage | None = None) -> Outcome:
    """Restore one stack; an error becomes an outcome."""
    started = time.perf_counter()
    try:
        _remove_leftovers(job.folder)
        result = restore(job, on_stage)
    except Exception as error:
        failure = explain(error, job.folder)
        return Outcome(job, failure.exit, time.perf_counter() - started, failure.message)
    return Outcome(job, Exit.DONE, time.perf_counter() - started, result=result)


def log_stage(stack: str, stage: str, seconds: float) -> None:
    """Log a finished stage."""
    LOG.info("%s: %s, %.1f s", stack, stage, seconds)


def log_outcome(outcome: Outcome) -> None:
    """Log the warnings and the outcome of a stack."""
    if outcome.result is None:
        LOG.error(outcome.message)
        return
    for warning in outcome.result.warnings:
        LOG.warning("%s: %s", outcome.job.path, warning)
    LOG.info("%s: %s, %.1f s", outcome.job.path, outcome.status, outcome.seconds)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line per stack: status, time and path; the failed come last, to be seen."""
    lines = [
        f"{o.status:8} {o.seconds:7.1f} s  {o.job.path}" + (f"  {o.message}" if o.message else "")
        for o in sorted(outcomes, key=lambda o: (o.result is None, o.status))
    ]
    done = sum(o.exit is Exit.DONE for o in outcomes)
    return "\n".join([*lines, f"{done} of {len(outcomes)} stacks done"])


class _Worker:
    """A process that receives jobs over a pipe and does one after another.

    It loads the libraries once. If it is killed, only its present job fails.
    """

    def __init__(self, quiet: bool, shown: bool, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=_work, args=(far_end, quiet, shown), daemon=True)
        # Ctrl-C reaches the whole process group; only the parent handles it and ends its workers.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with _environment(OMP_NUM_THREADS=str(threads)):
                self.process.start()
        finally:
            signal.signal(signal.SIGINT, previous)
        # With the parent's copy of its end closed, the connection ends when the worker dies.
        far_end.close()

    def send(self, job: Job) -> None:
        """Send the next job to the process."""
        self.job, self.started = job, time.perf_counter()
        # `receive` finds out if the worker is already dead.
        with suppress(OSError):
            self.connection.send(job)

    def receive(self) -> Outcome | ProgressMessage:
        """Return what the process sent, or a failed outcome if it was killed."""
        try:
            received = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            seconds = time.perf_counter() - self.started
            message = (
                f"{self.job.path}: its process was killed (exit {self.process.exitcode})."
                " If memory ran out, lower --jobs."
            )
            return Outcome(self.job, Exit.PROCESSING_FAILED, seconds, message)
        assert isinstance(received, Outcome | ProgressMessage)
        return received

    def end(self) -> None:
        """End the process, with time to remove incomplete files."""
        self.process.terminate()
        self.process.join(SECONDS_TO_CLEAN_UP)
        if self.process.is_alive():
            with suppress(OSError):
                self.process.kill()


def _in_processes(
    jobs: Sequence[Job], workers: int, quiet: bool, show: Show | None
) -> Iterator[Outcome]:
    waiting = deque(jobs)
    pool: dict[Connection, _Worker] = {}
    try:
        while waiting or pool:
            while waiting and len(pool) < workers:
                worker = _Worker(quiet, show is not None, jobs[0].threads)
                pool[worker.connection] = worker
                worker.send(waiting.popleft())
            for ready in wait(list(pool)):
                assert isinstance(ready, Connection)
                worker = pool[ready]
                outcome = worker.receive()
                if isinstance(outcome, ProgressMessage):
                    if show:
                        show(worker.job.path, outcome.names, outcome.share)
                    continue
                del pool[ready]
                if waiting and worker.process.is_alive():
                    pool[ready] = worker
                    worker.send(waiting.popleft())
                else:
                    # The worker reads the end of the connection and exits.
                    ready.close()
                yield outcome
    finally:
        for worker in pool.values():
            worker.end()


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set environment variables for as long as a process takes to be started."""
    earlier = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection, quiet: bool, shown: bool) -> None:
    """Run a worker until the connection ends; if a bar is shown, it logs no stages."""
    start_logging(quiet or shown)
    collect_rarely()
    hear = _Messenger(connection) if shown else None
    signal.signal(signal.SIGTERM, interrupt)
    # Otherwise a killed batch could be repeated while its workers still write.
    end_with_parent(SECONDS_TO_CLEAN_UP)
    try:
        while True:
            with listening_to(hear):
                connection.send(attempt(connection.recv(), None if shown else log_stage))
    except (EOFError, OSError):
        # The parent has no more work, or is gone.
        return
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    finally:
        # The work is finished or aborted; nothing may interrupt the rest of the exit.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class _Messenger:
    """Sends progress to the parent: every new part at once, progress within it at intervals."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.sent = connection, 0.0
        self.names: tuple[str, ...] | None = None

    def __call__(self, names: tuple[str, ...], share: float) -> None:
        now = time.monotonic()
        if names != self.names or now > self.sent + MESSAGE_EVERY:
            self.names, self.sent = names, now
            self.connection.send(ProgressMessage(names, share))


def _remove_leftovers(folder: Path) -> None:
    """Remove the incomplete hidden files of a killed process."""
    results = (path for path in folder.glob(".*") if LEFTOVER.fullmatch(path.name))
    for path in (*results, *(folder / STAGES).rglob(".*.npz")):
        path.unlink(missing_ok=True)
