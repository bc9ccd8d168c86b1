"""A shell is told how a command line may go on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("argcomplete")


def completions(folder, line):
    """Return what bash is told of a line with the cursor at its end."""
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(folder / "answer"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    words = [sys.executable, "-m", "burst"]
    subprocess.run(words, env={**os.environ, **asked}, check=True, timeout=60, cwd=folder)
    return (folder / "answer").read_text().split()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("burst exp", ["export"]),
        ("burst unr", ["unroll"]),
        ("burst run --pipeline cla", ["classical"]),
        ("burst run --pipeline classical --set select.k", ["select.keep="]),
        ("burst run --until dec", ["deconvolve"]),
        ("burst submit --challenge ug2-coded-t", ["ug2-coded-target"]),
    ],
)
def test_words_are_completed(tmp_path, line, answer):
    assert completions(tmp_path, line) == answer
