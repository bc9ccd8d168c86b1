"""A pickle of plain values is read; one that could run code is refused before it is opened."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from burst.files.layouts.plain_pickle import LARGEST, read_plain_pickle
from burst.records import StackError

PLAIN = {0: {"seq": "012", "length": 50}, "num": 1, "sizes": [(1, 2.5), (-(2**40), "ü")]}


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(PLAIN, protocol))
    assert read_plain_pickle(tmp_path / "a.pkl") == PLAIN


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"num": Malicious(trace)}, protocol))
    with pytest.raises(StackError, match=r"which can run code\. It was not opened\."):
        read_plain_pickle(tmp_path / "a.pkl")
    assert not trace.exists()


@pytest.mark.parametrize("value", [np.int64(3), {1, 2}, None, b"bytes", os.getcwd, complex(1, 2)])
def test_anything_that_is_not_plain_is_refused(tmp_path: Path, value: object) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([value], 4))
    with pytest.raises(StackError, match=r"a.pkl: expected a pickle of"):
        read_plain_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pickle.dumps(PLAIN)[:-9],
        b"cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_damaged_ones_are_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(StackError, match=r"a\.pkl: expected a pickle of"):
        read_plain_pickle(tmp_path / "a.pkl")


# One value, kept at place one million (of places that are all made).
@pytest.mark.parametrize("data", [b"\x80\x02K\x01r\x40\x42\x0f\x00.", b"K\x01p1000000\n."])
def test_one_that_fills_the_memory_is_not_opened(tmp_path: Path, data: bytes) -> None:
    assert pickle.loads(data) == 1
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(StackError, match="found 'a store at place 1000000'"):
        read_plain_pickle(tmp_path / "a.pkl")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.pkl").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(StackError, match="more than"):
        read_plain_pickle(tmp_path / "a.pkl")
