"""The encoder of the prior."""

from dataclasses import replace

import pytest
import torch
from networks import TINY

from burst.models.cpen import Cpen


@pytest.mark.parametrize(("prior", "tokens"), [("vector", 1), ("grid", 16)])
@pytest.mark.parametrize("size", [(32, 32), (37, 21), (5, 3)])
def test_any_size_gives_the_tokens_of_the_specification(prior, tokens, size):
    cpen = Cpen(replace(TINY, prior=prior), planes=2)
    assert cpen(torch.randn(3, 2, *size), torch.randn(3, 1)).shape == (3, tokens, 8)


def test_scalars_change_the_prior():
    cpen, planes = Cpen(TINY, planes=2), torch.randn(1, 2, 16, 16)
    assert not torch.allclose(cpen(planes, torch.zeros(1, 1)), cpen(planes, torch.ones(1, 1)))


def test_prior_of_a_patch_is_that_of_the_image_it_repeats():
    torch.manual_seed(0)
    cpen, patch = Cpen(TINY, planes=2), torch.randn(1, 2, 64, 64)
    one, many = (cpen(planes, torch.zeros(1, 1)) for planes in (patch, patch.repeat(1, 1, 3, 3)))
    torch.testing.assert_close(one, many, atol=0.02, rtol=0)  # but for the borders


def test_a_grid_tells_the_corners_apart():
    torch.manual_seed(0)
    cpen = Cpen(replace(TINY, prior="grid"), planes=2)
    planes = torch.zeros(1, 2, 64, 64)
    changed = planes.clone()
    changed[..., :8, :8] = 1
    with torch.no_grad():
        difference = cpen(changed, torch.zeros(1, 1)) - cpen(planes, torch.zeros(1, 1))
    moved = difference.abs().sum(-1)[0]
    assert float(moved[0]) > 0
    assert float(moved[8:].max()) == 0
