"""Long work says how far it is, short work nothing."""

from __future__ import annotations

import logging

import pytest

from burst import progress
from burst.progress import counted


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still until it is told otherwise."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_long_work_says_how_far_it_is(clock, caplog):
    caplog.set_level(logging.INFO, "burst")
    for _ in counted(range(8), "unroll: images"):
        clock[0] += 6
    assert caplog.messages == [
        "unroll: images: 2 of 8, 36 s left",
        "unroll: images: 4 of 8, 24 s left",
        "unroll: images: 6 of 8, 12 s left",
    ]


def test_short_work_says_nothing(clock, caplog):
    caplog.set_level(logging.INFO, "burst")
    assert list(counted("abc", "correct: images")) == ["a", "b", "c"]
    assert not caplog.messages
