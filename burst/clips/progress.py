"""How far a clip is: a bar on a terminal, lines in a log elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from burst.lazy import tqdm
from burst.log import LOG
from burst.progress import LOG_EVERY


@contextmanager
def shown(name: str, quiet: bool) -> Iterator[Callable[[int, int, float], None]]:
    """Yield a function that shows how many frames are done, of how many (0 if unknown), and how
    many are done in a second."""
    if not quiet and sys.stderr.isatty():
        with tqdm.tqdm(desc=name, unit=" frames", file=sys.stderr, dynamic_ncols=True) as bar:

            def draw(done: int, total: int, rate: float) -> None:
                bar.total = total or None
                if not bar.n:
                    bar.initial = done - 1
                bar.update(done - bar.n)

            yield draw
        return
    logged = time.monotonic()

    def say(done: int, total: int, rate: float) -> None:
        nonlocal logged
        if time.monotonic() > logged + LOG_EVERY:
            logged = time.monotonic()
            left = f", {max(total - done, 0) / rate:.0f} s left" if total else ""
            LOG.info("%s: frame %d of %d, %.1f frames a second%s", name, done, total, rate, left)

    yield say
