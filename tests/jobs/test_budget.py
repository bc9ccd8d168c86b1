"""Memory is shared out before any stack is begun."""

from __future__ import annotations

import numpy as np
import pytest
from toys import write_stack

from burst.jobs.budget import BYTES_PER_PROCESS, bytes_needed, share_memory
from burst.jobs.restore import Job
from burst.machine import BYTES_PER_PIXEL
from burst.settings import ConfigError


def job_of(path, pixels=None):
    """Return the job of a tiny stack, or of a sparse file of 2 x 16 x pixels / 32."""
    if pixels is None:
        write_stack(path)
    else:
        np.lib.format.open_memmap(path, "w+", np.uint16, (2, 16, pixels // 32))
    return Job(path, path.parent / "out" / path.stem, "classical")


def test_known_stack_needs_its_process_and_its_pixels(tmp_path):
    need = bytes_needed(job_of(tmp_path / "a.npy"))
    assert need == BYTES_PER_PROCESS + 8 * 24 * 24 * BYTES_PER_PIXEL


def test_too_many_at_a_time_are_refused_with_a_number_that_fits(tmp_path):
    jobs = [job_of(tmp_path / f"{i}.npy") for i in range(5)]
    with pytest.raises(ConfigError, match=r"--jobs 5: .* about 3.0 GB together. Pass --jobs 3"):
        share_memory(jobs, 5, round(3.5 * BYTES_PER_PROCESS))
    assert len(share_memory(jobs, 3, round(3.5 * BYTES_PER_PROCESS))) == 5


def test_stack_that_never_fits_costs_only_itself(tmp_path):
    large = job_of(tmp_path / "large.npy", pixels=32_000_000)
    jobs = [large, *(job_of(tmp_path / f"{i}.npy") for i in range(2))]
    limited = share_memory(jobs, 2, round(2.5 * BYTES_PER_PROCESS))
    assert limited[0].memory == round(1.5 * BYTES_PER_PROCESS) < 32_000_000 * BYTES_PER_PIXEL


def test_stack_of_unknown_size_gets_an_equal_share(tmp_path):
    jobs = [Job(tmp_path / f"{i}.mp4", tmp_path / "out", "classical") for i in range(3)]
    limited = share_memory(jobs, 3, 6 * BYTES_PER_PROCESS)
    assert {job.memory for job in limited} == {BYTES_PER_PROCESS}


def test_broken_stack_takes_no_memory(tmp_path):
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    assert bytes_needed(Job(tmp_path / "broken.npy", tmp_path, "classical")) == BYTES_PER_PROCESS


def test_unknown_memory_sets_no_limit(tmp_path):
    assert [job.memory for job in share_memory([job_of(tmp_path / "a.npy")], 2, None)] == [None]
