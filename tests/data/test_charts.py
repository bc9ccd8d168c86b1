"""Charts of rectangles: straight edges of every slant, as sharp as pixels allow."""

from __future__ import annotations

import torch

from burst.data.charts import GREYS, draw_rectangles


def drawn(seed: int, size: int = 96) -> torch.Tensor:
    return draw_rectangles(size, torch.Generator().manual_seed(seed))


def test_rectangles_are_drawn_by_their_seed():
    assert drawn(0).shape == (96, 96)
    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
    every = torch.stack([drawn(seed) for seed in range(8)])
    assert GREYS[0] <= float(every.min()) < float(every.max()) <= GREYS[1]


def test_edges_are_a_pixel_wide_and_all_else_is_plain():
    for seed in range(4):
        image = drawn(seed)
        level, count = image.unique(return_counts=True)
        plain = level[count > 20]
        mixed = (image[..., None] != plain).all(-1)
        assert 2 <= len(plain) <= 13
        assert 0 < float(mixed.float().mean()) < 0.2
        # No three pixels in a row and a column are all mixed, unless edges meet.
        thick = -torch.nn.functional.max_pool2d(-mixed[None].float(), 3, 1)
        assert float(thick.mean()) < 0.002
