"""Small rectangles that stand out are found."""

from __future__ import annotations

import torch

from burst.ops.sensor import spots


def test_rectangles_are_found_band_by_band(monkeypatch):
    values = torch.rand(90, 30, generator=torch.Generator().manual_seed(0))
    for y, x, tall, wide in ((14, 5, 3, 2), (17, 20, 2, 3), (31, 9, 1, 2), (47, 3, 3, 3)):
        values[y : y + tall, x : x + wide] += 3
    values[85:88, 12] -= 3
    sigma = torch.full_like(values, 0.05)
    whole = spots.find_blocks(values, sigma)
    assert [int(mask.sum()) for mask in whole] == [23, 3]
    monkeypatch.setattr(spots, "BAND", 16)
    for one, other in zip(spots.find_blocks(values, sigma), whole, strict=True):
        assert torch.equal(one, other)
