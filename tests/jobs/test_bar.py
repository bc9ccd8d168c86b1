"""The bar names what runs, moves while it runs, and counts stacks that are restored at once."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from toys import STARTUP, write_pipeline, write_stack

from burst.jobs import bar as module
from burst.jobs.bar import Bar, bar_of
from burst.jobs.batch import run_all
from burst.jobs.restore import Job

pytestmark = pytest.mark.usefixtures("toy_stages")


class Line:
    """What a bar of tqdm has shown."""

    def __init__(self):
        self.n, self.said = 0.0, []

    def set_description_str(self, text, refresh):
        self.said.append(text)

    def update(self, more):
        self.n += more


def test_it_names_the_stage_that_runs_and_never_goes_back():
    bar = Bar(1, Line())
    bar(Path("moon.npy"), ("plane 1 of 4", "align"), 0.2)
    assert bar.bar.said[-1] == "moon.npy: align, plane 1 of 4"
    bar(Path("moon.npy"), ("plane 1 of 4", "align"), 0.1)
    assert bar.bar.n == 0.2


def test_stacks_at_the_same_time_share_the_line():
    bar = Bar(3, Line())
    bar(Path("a"), ("align",), 0.5)
    bar(Path("b"), ("noise",), 0.25)
    assert bar.bar.said[-1] == "0 of 3 done; a: align and 1 more"
    bar(Path("a"), (), 1.0)
    assert bar.bar.said[-1] == "1 of 3 done; b: noise"
    assert bar.bar.n == 1.25


@pytest.mark.parametrize("workers", [1, 2])
def test_each_stage_is_shown_before_it_is_done(tmp_path, workers, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "sitecustomize.py").write_text(STARTUP)
    pipeline = str(write_pipeline(tmp_path))
    jobs = [Job(write_stack(tmp_path / f"{name}.npy"), tmp_path / name, pipeline) for name in "ab"]
    shown = []
    for outcome in run_all(jobs, workers, False, lambda *news: shown.append(news)):
        assert outcome.status == "done"
    of_a = [(names, share) for path, names, share in shown if path.name == "a.npy"]
    names = list(dict.fromkeys(names[-1] for names, _ in of_a if names))
    assert names == ["reading", "toy_linear", "toy_trouble", "toy_mean", "writing"]
    assert [share for _, share in of_a] == sorted(share for _, share in of_a)
    assert of_a[0][1] == 0
    assert of_a[-1] == ((), 1.0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drawn(monkeypatch):
    """Return what a terminal got from a bar that went half the way."""
    terminal = Terminal()
    monkeypatch.setattr(module.sys, "stderr", terminal)
    with bar_of(1, quiet=False) as show:
        show(Path("a.npy"), ("align",), 0.5)
        show(Path("a.npy"), (), 1.0)
    return terminal.getvalue()


def test_it_says_percent_and_time_left(monkeypatch):
    assert re.search(r"100% .*\d\d:\d\d, \d\d:\d\d left", drawn(monkeypatch))


def test_no_color_is_respected(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in drawn(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in drawn(monkeypatch)


def test_nothing_is_drawn_where_nobody_looks(monkeypatch):
    with bar_of(1, quiet=False) as show:
        assert show is None
    monkeypatch.setattr(module.sys, "stderr", Terminal())
    with bar_of(1, quiet=True) as show:
        assert show is None
