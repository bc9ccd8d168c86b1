"""`burst run --memory` sets how much is taken, and the same limit gives the same bytes."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from toys import write_stack

from burst.__main__ import main
from burst.jobs.budget import share_memory
from burst.jobs.restore import BYTES_PER_PROCESS, Job
from burst.options import size_in_bytes
from burst.settings import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [("2G", 2 << 30), ("1.5g", 3 << 29), ("800M", 800 << 20), ("2 GiB", 2 << 30), ("5000", 5000)],
)
def test_sizes_are_understood(text, size):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "-2G", "2X", "0"])
def test_other_words_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"expected a size such as 2G or 800M"):
        size_in_bytes(text)


def test_every_process_has_an_equal_share_of_what_is_asked(tmp_path):
    jobs = [Job(tmp_path / f"{i}.npy", tmp_path, "classical") for i in range(3)]
    asked = 4 * BYTES_PER_PROCESS
    limits = {job.memory for job in share_memory(jobs, 2, 10 * BYTES_PER_PROCESS, asked)}
    assert limits == {BYTES_PER_PROCESS}
    assert share_memory(jobs[:1], 1, None, asked)[0].memory == 3 * BYTES_PER_PROCESS


def test_less_than_the_libraries_take_is_refused(tmp_path):
    job = Job(tmp_path / "a.npy", tmp_path, "classical")
    with pytest.raises(ConfigError, match=r"--memory: expected at least 1.2 GB"):
        share_memory([job], 2, None, BYTES_PER_PROCESS)


def test_the_command_in_the_settings_gives_the_same_bytes(tmp_path):
    write_stack(tmp_path / "a.npy")
    limit = BYTES_PER_PROCESS + 200_000
    options = ["--pipeline", "classical", "--threads", "1", "--quiet", "--memory", str(limit)]
    for name in ("one", "two"):
        run = ["run", "--stack", str(tmp_path / "a.npy"), "--out", str(tmp_path / name), *options]
        assert main(run) == 0
    first, second = (tmp_path / name / "a" for name in ("one", "two"))
    assert f"--memory {limit}" in (first / "pipeline.toml").read_text("utf-8")
    np.testing.assert_array_equal(*(np.load(f / "restored.npy") for f in (first, second)))
