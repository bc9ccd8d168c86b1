"""Device, threads and memory, as far as this machine can show them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from burst import machine
from burst.records import Sensor, Stack, StackError
from burst.settings import ConfigError

STACK = Stack(np.zeros((2, 100, 100), np.uint16), Sensor(), source="a.npy")
NEED = STACK.frames.size * machine.BYTES_PER_PIXEL


def test_stack_that_fits_is_let_through():
    machine.check_memory(STACK, 0, NEED)
    machine.check_memory(STACK, 10**15, None)


def test_stack_that_does_not_fit_is_refused_with_advice():
    with pytest.raises(StackError, match=r"2 frames of 100x100, which need about .* lower --jobs"):
        machine.check_memory(STACK, 0, NEED - 1)
    with pytest.raises(StackError, match="ask for fewer images"):
        machine.check_memory(STACK, 1, NEED)


def test_container_s_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert machine.available_memory() == 600


def test_container_without_a_limit_leaves_the_system_s(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    alone = machine.available_memory()
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert (machine.available_memory() is None) == (alone is None)


def test_missing_gpu_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.resolve_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="Pass --device cpu"):
        machine.resolve_device("cuda")
