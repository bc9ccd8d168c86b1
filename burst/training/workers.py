"""Processes that make samples while a network trains."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess

from burst.data.samples.collection import Collection
from burst.data.samples.turbulence import SampleKey
from burst.machine import end_with_parent, set_up
from burst.progress import advance

NICENESS = 10
POLL = 1.0  # seconds
LOG_EVERY = 30.0  # seconds between two lines of progress

Log = Callable[[str], None]


class SamplesError(RuntimeError):
    """The processes that make samples have died."""


@dataclass
class Workers:
    """Processes that fill a collection; they end with this one, or when all samples are there."""

    collection: Collection
    keys: Sequence[SampleKey]
    processes: list[BaseProcess] = field(default_factory=list)
    there: int = 0  # samples when the processes were started
    started: float = 0.0

    def start(self, count: int) -> None:
        """Start `count` processes if samples are missing."""
        self.there, self.started = len(self.collection.present(self.keys)), time.monotonic()
        if self.there == len(self.keys):
            return
        context = multiprocessing.get_context("spawn")
        for _ in range(count):
            process = context.Process(target=_work, args=(self.collection, self.keys), daemon=True)
            process.start()
            self.processes.append(process)

    def seconds_left(self, keys: Sequence[SampleKey]) -> float | None:
        """Return how long the missing samples of `keys` will take at the pace so far; None where
        none has been made yet."""
        missing = len(keys) - len(self.collection.present(keys))
        made = len(self.collection.present(self.keys)) - self.there
        if missing and made <= 0:
            return None
        return missing * (time.monotonic() - self.started) / max(made, 1)

    def wait(self, keys: Sequence[SampleKey], log: Log) -> None:
        """Wait until the samples of `keys` exist; SamplesError if no process makes them."""
        begun, logged = time.monotonic(), time.monotonic()
        known = len(self.collection.present(keys))
        while (there := len(self.collection.present(keys))) < len(keys):
            advance(there / len(keys))
            if not any(process.is_alive() for process in self.processes):
                # The last one may have finished between the two tests.
                if len(self.collection.present(keys)) == len(keys):
                    return
                raise SamplesError(self._missing_message(len(keys) - there))
            if time.monotonic() > logged + LOG_EVERY:
                logged = time.monotonic()
                log(_progress(there, len(keys), there - known, logged - begun))
            time.sleep(POLL)

    def stop(self) -> None:
        """End the processes; unfinished samples are made again in another run."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()

    def _missing_message(self, missing: int) -> str:
        if not self.processes:
            return (
                f"{self.collection.folder}: expected {missing} more samples, and no process makes"
                " them. Pass --workers to start some."
            )
        codes = ", ".join(str(process.exitcode) for process in self.processes)
        return (
            f"{self.collection.folder}: expected {missing} more samples, but the processes that"
            f" make them have ended (exit codes: {codes}). Look above for their reason."
        )


def _work(collection: Collection, keys: Sequence[SampleKey]) -> None:
    # The parent handles Ctrl-C and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(POLL)
    os.nice(NICENESS)
    set_up(1)
    for _ in collection.fill(keys):
        pass


def _progress(there: int, wanted: int, made: int, seconds: float) -> str:
    text = f"samples: {there} of {wanted}"
    if made:
        text += f", {as_time((wanted - there) * seconds / made)} left"
    return text


def as_time(seconds: float) -> str:
    """Return a duration in words, to the minute where it is long."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min" if minutes >= 10 else f"{minutes} min {rest} s"
