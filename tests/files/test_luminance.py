"""Luminance keeps grey values and weighs green most."""

import numpy as np

from burst.files.luminance import frame_luminance


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
