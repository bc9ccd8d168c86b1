"""Long work says how far it is, short work nothing."""

from __future__ import annotations

import logging

import pytest

from burst import progress
from burst.progress import advance, counted, listening_to, names_of_part, part


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


def heard(work):
    """Return what a listener hears of `work`: names from outside in, and the share in percent."""
    said = []
    with listening_to(lambda names, share: said.append((names, round(100 * share)))):
        work()
    return said


def test_a_listener_hears_what_runs_before_it_is_done():
    def work():
        with part("plane 1 of 2", 0, 0.5):
            for _ in counted(range(2), "align: rounds"):
                pass
        with part("plane 2 of 2", 0.5, 1):
            pass

    assert heard(work) == [
        (("plane 1 of 2",), 0),
        (("plane 1 of 2",), 0),
        (("plane 1 of 2",), 25),
        (("plane 2 of 2",), 50),
    ]


def test_what_an_item_counts_is_a_part_of_the_item():
    def work():
        for _ in counted(range(2), "correct: images"):
            for _ in counted(range(2), "network: turns"):
                pass

    shares = [share for _, share in heard(work)]
    assert shares == [0, 0, 25, 50, 50, 75] == sorted(shares)


def test_work_that_was_given_up_leaves_the_part_it_was_in():
    def work():
        with part("align"):
            for _ in counted(range(4), "rounds"):
                break
            advance(1.0)

    assert heard(work)[-1] == (("align",), 100)


def test_nothing_is_heard_after_the_work():
    assert heard(lambda: None) == []
    advance(0.5)
    assert names_of_part() == ()
