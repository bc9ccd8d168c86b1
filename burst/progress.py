"""How far work that takes long is, for whoever waits at the terminal or reads the log.

Work is divided into named parts, which may be divided again: a colour plane, a stage, a round.
Whoever listens hears the names of the part that runs and the share of the whole that is done.
Without a listener nothing is computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TypeVar

from burst.log import LOG

LOG_EVERY = 10.0  # seconds between two lines; what is done sooner says nothing

Item = TypeVar("Item")
Listener = Callable[[tuple[str, ...], float], None]  # names of the part that runs, share done


@dataclass(frozen=True)
class _Part:
    """The part that runs: its names from outside in, and its begin and end as shares of all."""

    listener: Listener | None
    names: tuple[str, ...] = ()
    begin: float = 0.0
    end: float = 1.0

    def at(self, share: float) -> float:
        """Return the share of all that is done when a share of this part is."""
        return self.begin + share * (self.end - self.begin)


_RUNNING: ContextVar[_Part] = ContextVar("running", default=_Part(None))  # noqa: B039


@contextmanager
def listening_to(listener: Listener | None) -> Iterator[None]:
    """Call `listener` with the progress of the work in this context, from 0 to 1."""
    token = _RUNNING.set(_Part(listener))
    try:
        yield
    finally:
        _RUNNING.reset(token)


@contextmanager
def part(name: str, begin: float = 0.0, end: float = 1.0) -> Iterator[None]:
    """Run a part of the present work, from share `begin` to `end` of it; it may have no name."""
    whole = _RUNNING.get()
    names = (*whole.names, name) if name else whole.names
    token = _RUNNING.set(_Part(whole.listener, names, whole.at(begin), whole.at(end)))
    try:
        advance(0.0)
        yield
    finally:
        _RUNNING.reset(token)


def advance(share: float) -> None:
    """Report that a share of the running part is done."""
    running = _RUNNING.get()
    if running.listener:
        running.listener(running.names, running.at(share))


def names_of_part() -> tuple[str, ...]:
    """Return the names of the running parts, the outermost first."""
    return _RUNNING.get().names


def counted(items: Collection[Item], what: str) -> Iterator[Item]:
    """Yield items and report how many are done: to the listener, or without one at intervals in the
    log, with the time left.

    `what` names the work and its items, as in "unroll: images".
    """
    whole = _RUNNING.get()
    started = logged = time.monotonic()
    try:
        for done, item in enumerate(items):
            now = time.monotonic()
            if whole.listener:
                # Progress reported within an item is a share of the item.
                begin, end = whole.at(done / len(items)), whole.at((done + 1) / len(items))
                _RUNNING.set(replace(whole, begin=begin, end=end))
                advance(0.0)
            elif done and now > logged + LOG_EVERY:
                logged = now
                left = (now - started) / done * (len(items) - done)
                LOG.info("%s: %d of %d, %.0f s left", what, done, len(items), left)
            yield item
    finally:
        if whole.listener:
            _RUNNING.set(whole)


def passing(firsts: Collection[Item], step: int) -> Iterator[Item]:
    """Yield the first frame of each block of `step` frames, and log the frames a second and the
    time left of this pass at intervals: who listens hears of the stage alone."""
    started = logged = time.monotonic()
    names = ", ".join(_RUNNING.get().names) or "frames"
    for done, first in enumerate(firsts):
        now = time.monotonic()
        if done and now > logged + LOG_EVERY:
            logged = now
            rate = done * step / (now - started)
            left = (len(firsts) - done) * step / rate
            LOG.info("%s: %.0f frames a second, %.0f s of this pass left", names, rate, left)
        yield first
