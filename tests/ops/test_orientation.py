"""The eight orientations of EXIF: where the stored row 0 and column 0 are seen."""

import numpy as np
import pytest

from burst.ops.orientation import upright, upright_all

STORED = np.arange(6).reshape(2, 3)
SEEN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def side(image: np.ndarray, name: str) -> list[int]:
    """Return the values along one side, sorted: which line of the stored image it is."""
    sides = {"top": image[0], "bottom": image[-1], "left": image[:, 0], "right": image[:, -1]}
    return sorted(sides[name].tolist())


@pytest.mark.parametrize("orientation", SEEN)
def test_row_and_column_zero_are_seen_where_exif_says(orientation: int) -> None:
    row, column = SEEN[orientation]
    image = upright(STORED, orientation)
    assert side(image, row) == sorted(STORED[0].tolist())
    assert side(image, column) == sorted(STORED[:, 0].tolist())


@pytest.mark.parametrize("orientation", SEEN)
def test_colours_and_instants_are_turned_alike(orientation: int) -> None:
    colour = np.stack([STORED, STORED + 10, STORED + 20], axis=-1)
    turned = upright(colour, orientation)
    np.testing.assert_array_equal(turned[..., 1], upright(STORED, orientation) + 10)
    np.testing.assert_array_equal(upright_all(colour[None], orientation)[0], turned)
