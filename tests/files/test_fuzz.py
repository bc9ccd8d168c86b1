"""Whatever stands in a header, reading gives a Stack or a StackError and nothing else."""

from __future__ import annotations

import gzip
import io
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

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


@settings(FUZZ, max_examples=50)
@given(position=st.integers(0, 6000), value=st.binary(min_size=1, max_size=8), cut=st.booleans())
@pytest.mark.parametrize("kind", ["tif", "loop.tif", "lzw.tif", "fits", "fits.gz", "ser", "pgm"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damage_anywhere_in_a_good_file(
    tmp_path: Path, kind: str, position: int, value: bytes, cut: bool
) -> None:
    whole = good_file(kind)
    position = min(position, len(whole) - 1)
    rest = b"" if cut else whole[position + len(value) :]
    path = tmp_path / f"clip.{kind}"
    path.write_bytes(whole[:position] + value + rest)
    read_or_explain(path)


@cache
def good_file(kind: str) -> bytes:
    frames = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
    buffer = io.BytesIO()
    if kind == "tif":
        tifffile.imwrite(buffer, frames, photometric="minisblack")
    elif kind == "loop.tif":
        with tifffile.TiffWriter(buffer) as writer:
            for frame in frames:
                writer.write(frame, compression="zlib", predictor=True)
    elif kind == "lzw.tif":
        pages = [Image.fromarray(frame) for frame in frames]
        pages[0].save(
            buffer, "tiff", save_all=True, append_images=pages[1:], compression="tiff_lzw"
        )
    elif kind == "pgm":
        buffer.write(b"P5 30 20 4095\n" + frames[0].astype(">u2").tobytes())
    elif kind == "ser":
        header = struct.pack("<7i", 0, 0, 0, 30, 20, 16, 4)
        stamps = np.arange(4, dtype="<i8").tobytes()
        buffer.write(b"LUCAM-RECORDER" + header + bytes(136) + frames.tobytes() + stamps)
    else:
        fits = pytest.importorskip("astropy.io.fits")
        units = [fits.PrimaryHDU(frames[:2]), fits.ImageHDU(frames[2]), fits.ImageHDU(frames[3])]
        units[0].header.update({"BAYERPAT": "RGGB", "XBAYROFF": 1, "DATE-OBS": "2024-01-01T00:00"})
        fits.HDUList(units).writeto(buffer)
    content = buffer.getvalue()
    return gzip.compress(content) if kind.endswith("gz") else content
