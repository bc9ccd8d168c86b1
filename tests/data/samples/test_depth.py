"""Objects before a scene: the nearest hides the others, and passes by faster than all behind it."""

from __future__ import annotations

import torch

from burst.data.rolling import Drift, Layers
from burst.data.samples.depth import NEARER, with_depth

SIZE = (64, 80)


def scene() -> Layers:
    """Return a black background that moves by 100 px/s to the right, without an object."""
    black = torch.zeros(160, 180)
    return Layers(black, black, black, Drift((100.0, 0.0)), Drift((0.0, 0.0)), SIZE)


def drawn(seed: int) -> Layers:
    return with_depth(scene(), torch.ones(160, 180), torch.Generator().manual_seed(seed))


def depths(layers: Layers) -> list[float]:
    """Return by how much faster than the background each object passes by, the nearest first."""
    found = []
    while isinstance(layers.background, Layers):
        moved = layers.object_path(torch.tensor([1.0]))[0, 0]
        found.append(float(moved) / 100)
        layers = layers.background
    return found


def test_the_nearest_object_is_in_front_and_passes_by_fastest():
    for seed in range(4):
        found = depths(drawn(seed))
        assert 1 <= len(found) <= 3
        assert found == sorted(found, reverse=True)
        assert NEARER[0] <= found[-1] <= found[0] <= NEARER[1]


def test_objects_are_seen_before_the_background_and_the_draw_is_repeated():
    now = torch.zeros(1, SIZE[0])
    shown = [drawn(seed).light(now) for seed in range(6)]
    assert max(float(one.mean()) for one in shown) > 0.02
    assert torch.equal(shown[3], drawn(3).light(now))
