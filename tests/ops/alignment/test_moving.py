"""What moves by itself is told from what air and noise do."""

from functools import lru_cache

import torch
from simulated import camera_scene

from burst.data.scenes import read_scene
from burst.data.things import pass_through
from burst.ops.alignment import moving
from burst.records import NoiseModel

NOISE = NoiseModel(0.0, 1e-4)
FRAMES, SIDE = 24, 16


@lru_cache(maxsize=2)
def cells_of(speed: float) -> tuple[moving.Cells, torch.Tensor]:
    """Return what frames of a disc that passes show in cells, and where it is [n, h, w]."""
    scene = camera_scene()[180:276, 180:276]
    frames, there = pass_through(scene, read_scene("grass"), SIDE, speed, FRAMES)
    noisy = frames + 0.01 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    flow = torch.zeros(FRAMES, 2, 96, 96)
    return moving.compare(noisy, flow, NOISE, FRAMES // 2), there


def test_a_thing_is_found_where_it_is():
    cells, there = cells_of(2.0)
    mask = moving.mask_of(moving.find_moving(cells), (96, 96))
    wanted = there.any(0)
    assert float((mask & wanted).sum() / (mask | wanted).sum()) > 0.6


def test_nothing_is_found_where_nothing_moves():
    cells, _ = cells_of(0.0)
    assert not bool(moving.find_moving(cells).any())


def test_only_frames_that_show_a_thing_as_the_key_does_show_it():
    cells, _ = cells_of(2.0)
    key = FRAMES // 2
    like = moving.as_in_key(cells, moving.find_moving(cells), key)
    middle = (slice(None), 12, 12)
    assert bool(like[key].all())
    assert 1 <= int(like[middle].sum()) <= 3  # the disc has moved on by its details
    assert like[:, 2, 2].all()  # far from it all do


def test_cells_go_to_the_places_of_the_frames():
    cells = torch.ones(1, 8, 8, dtype=torch.bool)
    cells[0, 2, 3] = False
    flow = torch.zeros(1, 2, 34, 34)
    flow[:, 0] = 4.0  # the frame shows all 4 px to the right
    places = moving.in_frames(cells, flow, None, (34, 34))
    assert not bool(places[0, 9, 17])
    assert bool(places[0, 9, 13])
    assert places.shape == (1, 34, 34)
