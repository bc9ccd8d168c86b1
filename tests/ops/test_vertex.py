"""The vertex of a parabola is found to a fraction of a sample, be it the highest or the lowest."""

import pytest
import torch

from burst.ops.vertex import vertex


@pytest.mark.parametrize("sign", [1, -1])
def test_vertex_of_a_parabola_is_found(sign):
    place = torch.linspace(-0.5, 0.5, 11)
    samples = [sign * (x - place).square() + 3 for x in (-1, 0, 1)]
    torch.testing.assert_close(vertex(*samples), place)


def test_where_all_are_alike_it_is_in_the_middle():
    assert vertex(*torch.full((3,), 2.0)) == 0


def test_it_lies_within_half_a_sample():
    assert vertex(*torch.tensor([3.0, 3.0, 0.0])) == -0.5
