"""Word of work that takes long, for whoever waits at the terminal or reads the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

LOG = logging.getLogger("burst")

NEWS = 10.0  # seconds between two lines; what is done sooner says nothing

BAR = "{desc} {n_fmt}/{total_fmt} |{bar}| {elapsed}"

Item = TypeVar("Item", covariant=True)


class Countable(Protocol[Item]):
    """Items of which there is a known number."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Item]: ...


def counted(items: Countable[Item], what: str) -> Iterator[Item]:
    """Yield items, and say from time to time how many of them are done and how long is left.

    `what` names the work and its items, as in "unroll: images".
    """
    started = told = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now > told + NEWS:
            told = now
            left = (now - started) / done * (len(items) - done)
            LOG.info("%s: %d of %d, %.0f s left", what, done, len(items), left)
        yield item


@contextmanager
def stage_bar(total: int, shown: bool) -> Iterator[Callable[[str, str, float], None]]:
    """Yield a function that is told of each stage that is done, and moves a bar if `shown`."""
    from tqdm import tqdm

    with tqdm(total=total, bar_format=BAR, disable=not shown) as bar:

        def watch(stack: str, stage: str, seconds: float) -> None:
            bar.set_description(f"{stack}: {stage}")
            bar.update()

        yield watch
