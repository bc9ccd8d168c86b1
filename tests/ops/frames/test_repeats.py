"""Copies are found by few checksums of each frame."""

import numpy as np
import pytest

from burst.ops.frames import repeats


@pytest.mark.parametrize("height", [100, 129, 240, 255, 480])
def test_few_rows_of_a_frame_find_a_band_that_is_copied(height):
    frames = np.random.default_rng(0).integers(0, 4000, (3, height, 64)).astype(np.uint16)
    band = slice(height // 3, height // 2)
    frames[2, band] = frames[0, band]
    assert len(repeats._checksums(frames[0])) <= repeats.ROWS
    assert repeats.find_repeats(frames).partly[2][band].all()
