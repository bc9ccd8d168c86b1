"""The checks look at every frame, and let good stacks pass untouched."""

import errno

import numpy as np
import pytest

from burst.files.check import check_levels, explained
from burst.records import Sensor, StackError


def test_the_message_of_a_library_becomes_one_line() -> None:
    expected = r"^a: expected b, found 'one two'\. Do c\.$"
    with pytest.raises(StackError, match=expected), explained("a", "b", "Do c."):
        raise RuntimeError("one\n  two.")


def test_a_closed_file_is_no_damaged_file() -> None:
    expected = r"found 'Permission denied'\. Check who owns the file and its permissions\.$"
    with pytest.raises(StackError, match=expected), explained("a", "b", "Do c."):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_one_bright_frame_is_found() -> None:
    frames = np.full((5, 16, 16), 100, np.uint16)
    frames[4, 3, 3] = 5000
    with pytest.raises(StackError, match="Pass --white-level 8191"):
        check_levels("clip", frames, Sensor())


def test_a_stack_that_is_black_but_for_one_pixel_passes() -> None:
    frames = np.full((5, 16, 16), 64, np.uint16)
    frames[4, 3, 3] = 65
    check_levels("clip", frames, Sensor(black_level=64))


def test_black_is_judged_per_colour_site() -> None:
    frames = np.tile(np.array([[10, 20], [30, 40]], np.uint16), (2, 8, 8))
    sensor = Sensor(black_level=(10, 20, 30, 40), cfa="RGGB")
    with pytest.raises(StackError, match="above the black level 10, 20, 30, 40"):
        check_levels("clip", frames, sensor)
    check_levels("clip", frames + np.uint16(1), sensor)


def test_half_of_a_stack_may_be_saturated() -> None:
    frames = np.full((2, 16, 16), 4095, np.uint16)
    frames[0] = 100
    check_levels("clip", frames, Sensor())


def test_a_white_level_that_is_no_power_of_two_is_told_plainly() -> None:
    frames = np.full((2, 16, 16), 3501, np.uint16)
    with pytest.raises(StackError, match=r"expected raw values 0\.\.3500, found a maximum of 3501"):
        check_levels("clip", frames, Sensor(white_level=3500))
