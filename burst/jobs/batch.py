"""Restore many stacks, one after another or several at once; one that fails costs only itself."""

from __future__ import annotations

import logging
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

from burst.command import Exit, explain, interrupt, start_logging
from burst.jobs.bar import Show
from burst.jobs.restore import STAGES, Job, Written, restore
from burst.machine import end_with_parent
from burst.progress import heard_by
from burst.restoration import Watch

LOG = logging.getLogger("burst")
RECORD = "batch.json"  # in the folder of all results: how each stack of a batch fared
SECONDS_TO_CLEAN_UP = 10
NEWS_EVERY = 0.3  # seconds

# What `files.write` and `report.write` call a result until it is whole; the number is the process.
LEFTOVER = re.compile(r"\.(restored(-\d+)?|pipeline|report|report\.json|report\.html)\.\d+(\.\w+)?")


@dataclass(frozen=True)
class News:
    """What a worker process says of the stack in its hands: the part that runs, the share done."""

    names: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Outcome:
    """How one stack fared; `result` is None where it failed, and `message` says why."""

    job: Job
    exit: Exit
    seconds: float
    message: str = ""
    result: Written | None = None

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

    `show` is told how far each stack is; without it each stage that is done is a line of the log.
    """
    alone = (_shown(job, show) for job in jobs)
    for outcome in alone if workers == 1 else _in_processes(jobs, workers, quiet, show):
        if show:
            show(outcome.job.path, (), 1.0)
        yield outcome


def _shown(job: Job, show: Show | None) -> Outcome:
    if show is None:
        return attempt(job, log_stage)
    with heard_by(partial(show, job.path)):
        return attempt(job, no_line)


def attempt(job: Job, watch: Watch) -> Outcome:
    """Restore one stack; an error becomes an outcome."""
    started = time.perf_counter()
    try:
        _remove_leftovers(job.folder)
        result = restore(job, watch)
    except Exception as error:
        failure = explain(error, job.folder)
        return Outcome(job, failure.exit, time.perf_counter() - started, failure.message)
    return Outcome(job, Exit.DONE, time.perf_counter() - started, result=result)


def log_stage(stack: str, stage: str, seconds: float) -> None:
    """Tell of a stage that is done in a line of the log."""
    LOG.info("%s: %s, %.1f s", stack, stage, seconds)


def no_line(stack: str, stage: str, seconds: float) -> None:
    """Say nothing of a stage that is done: a bar shows it."""


def tell(outcome: Outcome) -> None:
    """Tell of a stack that has ended in the log: its warnings and how it fared."""
    if outcome.result is None:
        LOG.error(outcome.message)
        return
    for warning in outcome.result.warnings:
        LOG.warning("%s: %s", outcome.job.path, warning)
    LOG.info("%s: %s, %.1f s", outcome.job.path, outcome.status, outcome.seconds)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line per stack: what became of it, how long it took, where it came from.

    Those that failed come last, where they are seen.
    """
    lines = [
        f"{o.status:8} {o.seconds:7.1f} s  {o.job.path}" + (f"  {o.message}" if o.message else "")
        for o in sorted(outcomes, key=lambda o: (o.result is None, o.status))
    ]
    done = sum(o.exit is Exit.DONE for o in outcomes)
    return "\n".join([*lines, f"{done} of {len(outcomes)} stacks done"])


class _Worker:
    """A process that restores one stack after another, as it is told over a pipe.

    It loads the libraries once. One that is killed takes the stack in its hands with it.
    """

    def __init__(self, quiet: bool, shown: bool, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=_work, args=(far_end, quiet, shown), daemon=True)
        # Ctrl-C reaches the whole group; the parent alone answers it, and ends its workers.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with _environment(OMP_NUM_THREADS=str(threads)):
                self.process.start()
        finally:
            signal.signal(signal.SIGINT, previous)
        # With our copy of its end closed, a worker that dies ends the connection.
        far_end.close()

    def give(self, job: Job) -> None:
        """Hand over the next stack."""
        self.job, self.started = job, time.perf_counter()
        # A worker that is already dead is found out by `take`.
        with suppress(OSError):
            self.connection.send(job)

    def take(self) -> Outcome | News:
        """Return what the process sent; one that was killed sent nothing."""
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
        assert isinstance(received, Outcome | News)
        return received

    def end(self) -> None:
        """End the process, with time to remove what it has half written."""
        self.process.terminate()
        self.process.join(SECONDS_TO_CLEAN_UP)
        if self.process.is_alive():
            with suppress(OSError):
                self.process.kill()


def _in_processes(
    jobs: Sequence[Job], workers: int, quiet: bool, show: Show | None
) -> Iterator[Outcome]:
    waiting = deque(jobs)
    crew: dict[Connection, _Worker] = {}
    try:
        while waiting or crew:
            while waiting and len(crew) < workers:
                worker = _Worker(quiet, show is not None, jobs[0].threads)
                crew[worker.connection] = worker
                worker.give(waiting.popleft())
            for ready in wait(list(crew)):
                assert isinstance(ready, Connection)
                worker = crew[ready]
                outcome = worker.take()
                if isinstance(outcome, News):
                    if show:
                        show(worker.job.path, outcome.names, outcome.share)
                    continue
                del crew[ready]
                if waiting and worker.process.is_alive():
                    crew[ready] = worker
                    worker.give(waiting.popleft())
                else:
                    # It reads the end of its work.
                    ready.close()
                yield outcome
    finally:
        for worker in crew.values():
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
    """Be a worker process until there is no more work; a bar of the parent leaves no lines."""
    start_logging(quiet or shown)
    hear = _Messenger(connection) if shown else None
    signal.signal(signal.SIGTERM, interrupt)
    # A batch that was killed could else be repeated while its workers still write.
    end_with_parent(SECONDS_TO_CLEAN_UP)
    try:
        while True:
            with heard_by(hear):
                connection.send(attempt(connection.recv(), no_line if shown else log_stage))
    except (EOFError, OSError):
        # The parent has no more work, or is gone.
        return
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    finally:
        # The work is done or given up; the rest of the exit is not to be disturbed.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class _Messenger:
    """Sends the parent how far a stack is: every new part, and a part's progress now and then."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.sent = connection, 0.0
        self.names: tuple[str, ...] | None = None

    def __call__(self, names: tuple[str, ...], share: float) -> None:
        now = time.monotonic()
        if names != self.names or now > self.sent + NEWS_EVERY:
            self.names, self.sent = names, now
            self.connection.send(News(names, share))


def _remove_leftovers(folder: Path) -> None:
    """Remove the hidden files that a killed process had half written."""
    results = (path for path in folder.glob(".*") if LEFTOVER.fullmatch(path.name))
    for path in (*results, *(folder / STAGES).rglob(".*.npz")):
        path.unlink(missing_ok=True)
