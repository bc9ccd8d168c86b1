"""The progress bar over all stacks of a run: the running stage, the share done, the time left."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burst.command import coloured
from burst.lazy import tqdm, tqdm_logging
from burst.log import LOG

# Name of the stack, names of the part that runs, share of the stack that is done.
Show = Callable[[Path, tuple[str, ...], float], None]

LAYOUT = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left"
TICK = 1.0  # seconds between two looks at the clock
LONGEST_NAME = 24  # characters


@dataclass
class Bar:
    """One line on a terminal for `total` stacks, however many are restored at the same time."""

    total: int
    bar: Any
    shares: dict[Path, float] = field(default_factory=dict)
    running: dict[Path, str] = field(default_factory=dict)

    def __call__(self, stack: Path, names: tuple[str, ...], share: float) -> None:
        """Show the progress of a stack; it never decreases."""
        self.shares[stack] = max(share, self.shares.get(stack, 0.0))
        name = stack.name
        if len(name) > LONGEST_NAME:
            name = f"{name[: LONGEST_NAME - 3]}..."
        self.running[stack] = f"{name}: {', '.join(reversed(names)) or 'starting'}"
        if share >= 1:
            del self.running[stack]
        self.bar.set_description_str(self._words(), refresh=False)
        self.bar.update(sum(self.shares.values()) - self.bar.n)

    def _words(self) -> str:
        done = sum(share >= 1 for share in self.shares.values())
        first = next(iter(self.running.values()), "")
        others = f" and {len(self.running) - 1} more" if len(self.running) > 1 else ""
        if self.total == 1:
            return first or "done"
        return f"{done} of {self.total} done; {first}{others}"


@contextmanager
def bar_of(total: int, quiet: bool) -> Iterator[Show | None]:
    """Draw a bar for `total` stacks while the context lasts; yield None if it would not be seen.

    Log lines appear above the bar.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    ended = threading.Event()
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm.tqdm(
                total=total,
                file=sys.stderr,
                bar_format=LAYOUT,
                smoothing=0,
                dynamic_ncols=True,
                colour="green" if coloured(sys.stderr) else None,
            )
        )
        stack.enter_context(tqdm_logging.logging_redirect_tqdm([LOG]))
        # Keeps the clock running during stages that report no progress.
        clock = threading.Thread(target=_tick, args=(bar, ended), daemon=True)
        clock.start()
        stack.callback(clock.join)
        stack.callback(ended.set)
        yield Bar(total, bar)


def _tick(bar: Any, ended: threading.Event) -> None:
    while not ended.wait(TICK):
        bar.refresh()
