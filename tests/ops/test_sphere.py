"""A globe's points are where its rotation brings them."""

import math

import pytest
import torch

from burst.ops.sphere import Globe, from_centre, rotation, turned

JUPITER = Globe(20.0, 0.065, math.radians(30), math.radians(10))


def points(globe: Globe) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels (x, y) [1, 41, 41] from the centre of a disc."""
    return from_centre(torch.tensor([[20.0, 20.0]]), (41, 41))


def test_points_in_the_image_come_back_from_the_sphere():
    x, y = points(JUPITER)
    on_disc = JUPITER.on_sphere(x, y)[2] > 0
    again_x, again_y = JUPITER.in_image(JUPITER.on_sphere(x, y))
    torch.testing.assert_close(again_x[on_disc], x[on_disc], atol=1e-4, rtol=0)
    torch.testing.assert_close(again_y[on_disc], y[on_disc], atol=1e-4, rtol=0)


def test_no_rotation_is_the_identity():
    moved, seen = rotation(JUPITER, torch.zeros(1), *points(JUPITER))
    assert float(moved.abs().max()) < 1e-4
    assert bool(seen.all())


def test_the_middle_of_the_disc_moves_to_the_right_with_the_pole_up():
    moved, _ = rotation(Globe(20.0), torch.tensor([0.1]), *points(JUPITER))
    assert float(moved[0, 0, 20, 20]) == pytest.approx(20 * math.sin(0.1), abs=1e-3)
    assert float(moved[0, 1, 20, 20]) == pytest.approx(0, abs=1e-4)


def test_the_pole_stays_where_it_is():
    pole = torch.tensor(JUPITER.pole)
    torch.testing.assert_close(turned(pole, JUPITER, torch.tensor(0.7)), pole)


def test_a_rotation_and_its_inverse_cancel():
    start = JUPITER.on_sphere(torch.tensor(5.0), torch.tensor(-7.0))
    there = turned(start, JUPITER, torch.tensor(0.3))
    torch.testing.assert_close(turned(there, JUPITER, torch.tensor(-0.3)), start)


def test_what_turns_behind_the_limb_is_not_seen():
    _, seen = rotation(Globe(20.0), torch.tensor([0.5]), *points(JUPITER))
    assert bool(seen[0, 20, 5])
    assert not bool(seen[0, 20, 38])
