"""Whatever stands in a header, reading gives a Stack or a StackError and nothing else."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from burst.files.read import ReadOptions, read_stack
from burst.records import Stack, StackError

FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-2, 20))


def outcome(path: Path) -> Stack | StackError:
    try:
        return read_stack(path, ReadOptions(axis="frames-first"))
    except StackError as error:
        return error


def read_or_explain(path: Path) -> None:
    result = outcome(path)
    assert isinstance(result, Stack) or str(path) in str(result)


@FUZZ
@given(header=st.binary(max_size=200), data=st.binary(max_size=64))
@example(header=b"{'descr': '<u2', 'fortran_order': False, 'shape': (-1, 4, 4)}", data=b"")
@example(header=b"(" * 190, data=b"")
def test_bytes_in_the_header_of_an_npy(tmp_path: Path, header: bytes, data: bytes) -> None:
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    (tmp_path / "clip.npy").write_bytes(magic + header + data)
    read_or_explain(tmp_path / "clip.npy")


@FUZZ
@given(
    descr=st.one_of(
        st.sampled_from(
            ["<u2", ">i4", "|O", "<f8", "|V3", "<U2", "|b1", "<c8", "<M8[s]", "<u2,<u2"]
        ),
        st.text(max_size=5),
    ),
    fortran=st.one_of(st.booleans(), st.integers()),
    shape=st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 20), max_size=5),
    data=st.binary(max_size=512),
)
def test_values_in_the_header_of_an_npy(
    tmp_path: Path, descr: str, fortran: int, shape: list[int], data: bytes
) -> None:
    header = repr({"descr": descr, "fortran_order": fortran, "shape": tuple(shape)})
    encoded = header.encode("latin-1", "replace")
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(encoded))
    (tmp_path / "clip.npy").write_bytes(magic + encoded + data)
    read_or_explain(tmp_path / "clip.npy")


@FUZZ
@given(numbers=st.lists(NUMBERS, min_size=7, max_size=7), data=st.binary(max_size=2000))
def test_numbers_in_the_header_of_a_ser(tmp_path: Path, numbers: list[int], data: bytes) -> None:
    header = b"LUCAM-RECORDER" + struct.pack("<7i", *numbers) + bytes(136)
    (tmp_path / "clip.ser").write_bytes(header + data)
    read_or_explain(tmp_path / "clip.ser")


@FUZZ
@given(
    color=st.sampled_from([0, 8, 100, 101]),
    flag=st.integers(0, 1),
    bits=st.integers(1, 16),
    tail=st.binary(max_size=30),
    value=st.integers(0, 255),
)
def test_good_headers_of_a_ser_around_any_data(
    tmp_path: Path, color: int, flag: int, bits: int, tail: bytes, value: int
) -> None:
    numbers = struct.pack("<7i", 0, color, flag, 16, 16, bits, 2)
    data = bytes([value]) * (16 * 16 * 2 * (3 if color >= 100 else 1) * (1 if bits <= 8 else 2))
    (tmp_path / "clip.ser").write_bytes(b"LUCAM-RECORDER" + numbers + bytes(136) + data + tail)
    read_or_explain(tmp_path / "clip.ser")


@FUZZ
@given(position=st.integers(0, 2500), value=st.binary(min_size=1, max_size=8))
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_damage_anywhere_in_a_good_array(
    tmp_path: Path, suffix: str, position: int, value: bytes
) -> None:
    path = tmp_path / f"clip.{suffix}"
    frames = np.arange(2 * 20 * 30, dtype=np.uint16).reshape(2, 20, 30)
    if suffix == "npy":
        np.save(path, frames)
    else:
        np.savez(path, frames=frames)
    whole = path.read_bytes()
    path.write_bytes(whole[:position] + value + whole[position + len(value) :])
    read_or_explain(path)
