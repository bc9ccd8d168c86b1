"""Who goes through the blocks of frames: this process, or others that were asked to help.

Every block is made alike wherever it is made, and what is made of blocks is joined in their order,
so that the bytes do not depend on who helped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

_EACH: ContextVar[Each] = ContextVar("each", default=map)


@contextmanager
def helped_by(each: Each) -> Iterator[None]:
    """Let `each` do in this context what `map` does of functions that take long."""
    token = _EACH.set(each)
    try:
        yield
    finally:
        _EACH.reset(token)


def each_of(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield what a function makes of items, in their order. The function is sent to helpers: it
    changes nothing, and what it makes of an item depends on nothing else."""
    return _EACH.get()(function, items)
