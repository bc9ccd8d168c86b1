"""A network that works tile by tile gives what it gives on the whole image."""

from __future__ import annotations

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from burst.models import tiles
from burst.models.tiles import in_tiles, tokens_of_part


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "CORE", 32)
    monkeypatch.setattr(tiles, "MARGIN", 16)


def test_what_reaches_no_further_than_the_margin_is_the_same():
    draw = torch.Generator().manual_seed(0)
    planes = torch.randn(2, 3, 75, 101, generator=draw)
    kernel = torch.randn(1, 3, 31, 31, generator=draw)

    def network(part, tokens):
        assert tokens is None
        return functional.conv2d(part, kernel, padding=15)

    torch.testing.assert_close(
        in_tiles(network, planes, None), network(planes, None), atol=1e-4, rtol=1e-4
    )


def test_one_token_holds_for_every_part():
    tokens = torch.randn(1, 1, 5)
    assert tokens_of_part(tokens, (100, 90), (0, 48, 16, 64)) is tokens


def test_the_prior_of_a_part_is_that_of_the_whole_image_there():
    tokens = torch.randn(1, 16, 5, generator=torch.Generator().manual_seed(0))
    size, (top, bottom, left, right) = (200, 160), (32, 128, 48, 160)

    def over(tokens, side, size):
        grid = rearrange(tokens, "b (y x) d -> b d y x", y=side)
        return functional.interpolate(grid, size=size, mode="bilinear", align_corners=False)

    whole = over(tokens, 4, size)[..., top:bottom, left:right]
    part = tokens_of_part(tokens, size, (top, bottom, left, right))
    found = over(part, tiles.GRID, (bottom - top, right - left))
    assert float((found - whole)[..., 2:-2, 2:-2].abs().max()) < 0.01 * float(whole.abs().max())
