"""Cost: seconds add up, memory is the highest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from burst.measure.cost import NO_COST, Cost, measure_cost, session_memory


def test_seconds_and_result():
    result, cost = measure_cost(lambda: time.sleep(0.05) or 7)
    assert result == 7
    assert 0.05 <= cost.seconds < 1


def test_peak_sees_what_was_freed_again():
    _, cost = measure_cost(lambda: len(bytearray(64 * 2**20)))
    if cost.peak is None:
        pytest.skip("this system does not tell the peak of memory")
    assert 50 * 2**20 < cost.peak < 128 * 2**20


def test_memory_of_a_session_counts_every_process():
    hold = "import time; block = b'a' * 2**27; print(flush=True); time.sleep(60)"
    both = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}"
    process = subprocess.Popen(
        [sys.executable, "-c", both], stdout=subprocess.PIPE, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        held = session_memory(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
    if held is None:
        pytest.skip("this system does not tell the memory of a process")
    assert 2 * 2**27 < held < 3 * 2**27


def test_costs_follow_each_other():
    assert Cost(1.0, 5).then(Cost(2.0, 3)) == Cost(3.0, 5)
    assert NO_COST.then(Cost(2.0, None)) == Cost(2.0, None)
