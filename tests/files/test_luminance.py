"""Luminance keeps grey values and weighs green most."""

from pathlib import Path

import numpy as np
import pytest

from burst.files.luminance import frame_luminance
from burst.files.read import ReadOptions, read_stack


def test_grey_stays() -> None:
    frame = np.full((4, 4), 1234, np.uint16)
    assert frame_luminance(frame) is frame
    np.testing.assert_array_equal(frame_luminance(np.repeat(frame[..., None], 3, -1)), frame)


def test_green_weighs_more_than_red_more_than_blue() -> None:
    blue, green, red = (
        int(frame_luminance(np.full((1, 1, 3), color, np.uint8))[0, 0])
        for color in ((200, 0, 0), (0, 200, 0), (0, 0, 200))
    )
    assert green > red > blue > 0


def test_nothing_is_said_of_colours_that_are_all_grey(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (4, 16, 20, 1), np.uint8)
    np.save(tmp_path / "grey.npy", np.repeat(grey, 3, axis=-1))
    stack = read_stack(tmp_path / "grey.npy", ReadOptions(colour=True))
    assert stack.colour is None
    assert "turned into luminance" not in caplog.text
