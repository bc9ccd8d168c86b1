"""A small batch with every kind of broken stack, killed twice: nothing is lost, nothing differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toys import command, write_pipeline

from burst.measure.suite import Options, find_suite
from burst.measure.suites.soak import BREAK, Batch, measure, thirds, write_stacks
from burst.records import StackError

CASE = Batch(stacks=10, kills=2, jobs=2, frames=8, size=32, seed=0)


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """Let the processes of a batch know the toy stages; return the words of their pipeline."""
    command(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return ["--pipeline", str(write_pipeline(tmp_path)), "--set", "toy_mean.grain=0.1"]


@pytest.fixture
def half_broken(monkeypatch):
    monkeypatch.setattr("burst.measure.suites.soak.ONE_BROKEN_IN", 2)


@pytest.mark.usefixtures("half_broken")
def test_kills_and_broken_stacks_cost_nothing_else(toys):
    record = measure(toys, CASE)
    assert (record["unexpected"], record["lost"], record["different"]) == ([], [], [])
    assert (record["restored"], record["broken"]) == (5, 5)
    reasons = list(record["reasons"].values())
    whats = ("complete, found", "values of type <U5", "NaN", "complete, found", "nothing there")
    assert all(what in reason for what, reason in zip(whats, reasons, strict=True)), reasons


@pytest.mark.usefixtures("half_broken")
def test_stacks_are_broken_in_every_way(tmp_path):
    assert write_stacks(tmp_path / "stacks", CASE) == {"0001", "0003", "0005", "0007", "0009"}
    assert len(BREAK) == 5


def test_suite_breaks_one_stack_in_ten(tmp_path):
    broken = write_stacks(tmp_path / "stacks", replace(CASE, stacks=20))
    assert broken == {"0005", "0015"}
    (case,) = find_suite("soak").cases(Options())
    assert (case.stacks, case.kills) == (200, 20)


def test_a_batch_that_ends_without_a_word_is_told():
    with pytest.raises(StackError, match=r"expected a batch that ends, found: .*--pipeline wrong"):
        measure(["--pipeline", "wrong"], CASE)


def test_table_counts_what_differs():
    record = {"case": {"stacks": 9}, "kills": 3, "restored": 8, "broken": 1}
    lists = {"unexpected": [], "lost": ["a"], "different": ["b/restored.npy", "c/restored.npy"]}
    held = {"memory": thirds([2**20 * x for x in (1, 2, 7, 4, 5, 3)])}
    row = find_suite("soak").tables([{**record, **lists, **held}]).splitlines()[-1]
    assert row == "| 9 stacks | 3 | 8 | 1 | 0 | 1 | 2 | 2, 7, 5 |"
