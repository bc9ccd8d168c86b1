"""SER keeps its values in either byte order, and tells colour, bits and time."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from burst.files.read import read_stack


def test_little_endian_data_with_flag_zero_is_mapped(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path]
) -> None:
    stack = read_stack(write_ser(tmp_path / "moon.ser", frames))
    assert isinstance(stack.frames, np.memmap)
    np.testing.assert_array_equal(stack.frames, frames)
    assert stack.sensor.white_level == 4095


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("flag", [0, 1])
def test_the_data_have_the_last_word_on_their_byte_order(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path], order: str, flag: int
) -> None:
    path = write_ser(tmp_path / "moon.ser", frames.astype(order), flag=flag)
    np.testing.assert_array_equal(read_stack(path).frames, frames)


@pytest.mark.parametrize(
    ("color", "cfa"), [(0, "mono"), (8, "RGGB"), (9, "GRBG"), (10, "GBRG"), (11, "BGGR")]
)
def test_the_colour_number_names_the_pattern(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path], color: int, cfa: str
) -> None:
    stack = read_stack(write_ser(tmp_path / "moon.ser", frames, color=color))
    assert stack.sensor.cfa == cfa


def test_eight_bits_are_white_at_255(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path]
) -> None:
    narrow = (frames // 16).astype(np.uint8)
    stack = read_stack(write_ser(tmp_path / "moon.ser", narrow, bits=8))
    np.testing.assert_array_equal(stack.frames, narrow)
    assert stack.sensor.white_level == 255


@pytest.mark.parametrize("color", [100, 101])
def test_colour_becomes_luminance_with_a_note(
    tmp_path: Path,
    frames: np.ndarray,
    write_ser: Callable[..., Path],
    color: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "burst")
    gray = np.repeat(frames[..., None], 3, axis=-1)
    stack = read_stack(write_ser(tmp_path / "moon.ser", gray, color=color))
    np.testing.assert_array_equal(stack.frames, frames)
    assert "luminance" in caplog.text


def test_time_stamps_give_the_frame_time(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path]
) -> None:
    tail = (np.arange(3, dtype="<i8") * 100_000 + 6 * 10**17).tobytes()
    stack = read_stack(write_ser(tmp_path / "moon.ser", frames, tail=tail))
    assert stack.sensor.frame_time == pytest.approx(0.01)
