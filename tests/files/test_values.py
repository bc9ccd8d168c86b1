"""Numbers of any type and unit become DN with levels that fit them."""

import logging
from pathlib import Path

import numpy as np
import pytest

from burst.files.read import ReadOptions, read_stack
from burst.files.values import to_dn
from burst.records import Sensor, Stack, StackError

GOOD = np.arange(3 * 20 * 21, dtype=np.uint16).reshape(3, 20, 21) + 100


def linear(stack: Stack) -> np.ndarray:
    black = stack.sensor.black_levels[0]
    return (stack.frames - black) / (stack.sensor.white_level - black)


def read(folder: Path, frames: np.ndarray, options: ReadOptions | None = None) -> Stack:
    np.save(folder / "clip.npy", frames)
    return read_stack(folder / "clip.npy", options or ReadOptions(axis="frames-first"))


def test_sixteen_bit_frames_are_not_copied() -> None:
    frames = np.ones((2, 16, 16), np.uint16)
    assert to_dn("clip", frames, Sensor())[0] is frames


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
def test_shares_of_white_keep_their_value(tmp_path: Path, kind: str) -> None:
    shares = (GOOD / 1500).astype(kind)
    stack = read(tmp_path, shares)
    assert stack.sensor.white_level == 65535
    np.testing.assert_allclose(linear(stack), shares, atol=1 / 65535)


def test_black_of_shares_is_said_in_their_unit(tmp_path: Path) -> None:
    options = ReadOptions(black_level=0.05, white_level=1, axis="frames-first")
    stack = read(tmp_path, GOOD / 1500, options)
    np.testing.assert_allclose(linear(stack), (GOOD / 1500 - 0.05) / 0.95, atol=2 / 65535)


def test_fractions_of_dn_are_kept(tmp_path: Path) -> None:
    stack = read(tmp_path, GOOD + 0.53)
    np.testing.assert_allclose(linear(stack), (GOOD + 0.53) / 4095, atol=1 / 65535)


def test_black_goes_up_with_negative_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "burst")
    stack = read(tmp_path, GOOD.astype(np.int16) - 500)
    assert (stack.sensor.black_level, stack.sensor.white_level) == (400, 4495)
    np.testing.assert_array_equal(stack.frames, GOOD - 100)
    assert "values from -400 to 859 become DN: raised by 400" in caplog.text


def test_unsigned_values_that_were_saved_as_signed_are_read_right(tmp_path: Path) -> None:
    bright = GOOD.astype(np.uint16) * 40
    options = ReadOptions(white_level=65535, axis="frames-first")
    stack = read(tmp_path, bright.view(np.int16), options)
    np.testing.assert_array_equal(stack.frames, bright)


def test_more_than_sixteen_bits_are_scaled_to_the_white_level_given(tmp_path: Path) -> None:
    options = ReadOptions(white_level=2_000_000, axis="frames-first")
    stack = read(tmp_path, GOOD.astype(np.uint32) * 1000, options)
    np.testing.assert_allclose(linear(stack), GOOD / 2000, atol=1 / 65535)


@pytest.mark.parametrize(("bits", "shift"), [(12, 4), (14, 2), (10, 6), (8, 8)])
def test_bits_at_the_upper_end_say_where_white_is(tmp_path: Path, bits: int, shift: int) -> None:
    full = np.linspace(0, 2**bits - 2, GOOD.size).reshape(GOOD.shape).astype(np.uint16)
    stack = read(tmp_path, full << shift)
    assert stack.sensor.white_level == (2**bits - 1) << shift
    np.testing.assert_array_equal(stack.frames, full << shift)


def test_twelve_bits_in_fourteen_are_not_taken_for_sixteen(tmp_path: Path) -> None:
    """They end at 16380, far below the topmost bit: white is asked for."""
    with pytest.raises(StackError, match="Pass --white-level 8191"):
        read(tmp_path, GOOD << 2)
