"""SER keeps its values in either byte order, and tells colour, bits and time."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from burst.files.read import read_stack
from burst.files.ser import read_ser, write_ser
from burst.records import Sensor, StackError


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


def recount(path: Path, count: int) -> Path:
    """Write another count of frames into a header."""
    data = path.read_bytes()
    path.write_bytes(data[:38] + count.to_bytes(4, "little", signed=True) + data[42:])
    return path


@pytest.mark.parametrize("flag", [0, 1])
@pytest.mark.parametrize("bits", [12, 16])
def test_eight_bits_in_the_upper_byte_are_white_at_its_end(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path], flag: int, bits: int
) -> None:
    high = (frames // 16 * 256).astype("<u2")
    stack = read_stack(write_ser(tmp_path / "moon.ser", high, bits=bits, flag=flag))
    np.testing.assert_array_equal(stack.frames, high)
    assert stack.sensor.white_level == 65280


@pytest.mark.parametrize(("shift", "white"), [(0, 4095), (4, 65520)])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_twelve_bits_in_sixteen_stand_at_either_end(
    tmp_path: Path,
    frames: np.ndarray,
    write_ser: Callable[..., Path],
    shift: int,
    white: int,
    order: str,
) -> None:
    values = frames << shift
    stack = read_stack(write_ser(tmp_path / "moon.ser", values.astype(order), bits=16))
    np.testing.assert_array_equal(stack.frames, values)
    assert stack.sensor.white_level == white


def test_all_sixteen_bits_are_kept(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path]
) -> None:
    stack = read_stack(write_ser(tmp_path / "moon.ser", frames * 20 + 1, bits=16))
    assert stack.sensor.white_level == 65535


@pytest.mark.parametrize("count", [0, 2, 7])
@pytest.mark.parametrize("stamped", [False, True])
def test_the_file_has_the_last_word_on_the_count_of_frames(
    tmp_path: Path,
    frames: np.ndarray,
    write_ser: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    count: int,
    stamped: bool,
) -> None:
    caplog.set_level(logging.WARNING, "burst")
    tail = (np.arange(3, dtype="<i8") * 100_000 + 6 * 10**17).tobytes() if stamped else b""
    path = recount(write_ser(tmp_path / "moon.ser", frames, tail=tail), count)
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.frames, frames)
    assert f"its header counts {count} frames, the file holds 3" in caplog.text
    assert (stack.sensor.frame_times is not None) == stamped


def test_uneven_time_stamps_are_the_times_of_frames(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path]
) -> None:
    tail = (np.array([0, 100_000, 400_000], "<i8") + 6 * 10**17).tobytes()
    sensor = read_stack(write_ser(tmp_path / "moon.ser", frames, tail=tail)).sensor
    assert sensor.frame_times == (0, 0.01, 0.04)


@pytest.mark.parametrize("ticks", [(0, 0, 0), (5, 4, 9), (7, 7, 8)])
def test_stamps_that_do_not_rise_are_left_out(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path], ticks: tuple[int, ...]
) -> None:
    tail = np.array(ticks, "<i8").tobytes()
    assert read_stack(write_ser(tmp_path / "a.ser", frames, tail=tail)).sensor.frame_times is None


@pytest.mark.parametrize(("color", "name"), [(16, "CYYM"), (19, "MYYC")])
def test_complementary_colours_are_refused_in_words(
    tmp_path: Path, frames: np.ndarray, write_ser: Callable[..., Path], color: int, name: str
) -> None:
    path = write_ser(tmp_path / "moon.ser", frames, color=color)
    with pytest.raises(StackError, match=f"{name} of cyan, yellow and magenta"):
        read_stack(path)


@pytest.mark.parametrize("shape", [(5, 20, 30), (5, 20, 30, 3)])
def test_what_is_written_is_read_again(tmp_path: Path, shape: tuple[int, ...]) -> None:
    frames = np.random.default_rng(1).integers(0, 4096, shape).astype(np.uint16)
    times = (0.0, 0.5, 1.25, 1.5, 3.0)
    write_ser(tmp_path / "a.ser", frames, Sensor(0, 4095, frame_times=times))
    read, sensor = read_ser(tmp_path / "a.ser")
    assert sensor.white_level == 4095
    assert sensor.frame_times == pytest.approx(times)
    if frames.ndim == 3:
        np.testing.assert_array_equal(read, frames)
