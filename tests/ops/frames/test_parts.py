"""What the others show in place of a frame is their median."""

import torch

from burst.ops.frames.agreement import Pairs
from burst.ops.frames.parts import references


def test_a_reference_is_the_median_of_the_partners_that_reach_a_pixel():
    light = torch.rand(5, 6, 7, generator=torch.Generator().manual_seed(0))
    first, second = torch.zeros(4, dtype=torch.long), torch.arange(1, 5)
    shift = torch.tensor([[0, 0], [2, 0], [0, -3], [-1, 1]])
    found = references(light, torch.ones(5), Pairs(first, second, torch.ones(4), shift))
    shown = torch.full((4, 6, 7), torch.nan)
    shown[0] = light[1]
    shown[1, :, 2:] = light[2, :, :-2]
    shown[2, :3] = light[3, 3:]
    shown[3, 1:, :-1] = light[4, :-1, 1:]
    assert torch.equal(found[0], shown.nanmedian(0).values)
    assert torch.equal(found[1], light[0])
