"""A thing that moves covers the scene where it is, and nothing else."""

import torch
from simulated import camera_scene

from burst.data.levels import find_level
from burst.data.things import pass_through
from burst.data.turbulence import simulate

SCENE = camera_scene()[200:296, 200:296]


def test_the_scene_stays_where_no_thing_is():
    frames, there = pass_through(SCENE, camera_scene(), 16, 2.0, 9)
    assert torch.equal(frames[0][~there[0]][:500], SCENE[~there[0]][:500])
    assert abs(int(there[4].sum()) - 201) < 12  # of a disc of 16 px


def test_a_thing_moves_at_its_speed():
    _, there = pass_through(SCENE, camera_scene(), 16, 2.0, 9)
    first, last = (part.nonzero().float().mean(0) for part in (there[0], there[8]))
    assert abs(float((last - first).norm()) - 16.0) < 0.5


def test_the_truth_is_that_of_the_middle_frame():
    frames, _ = pass_through(SCENE, camera_scene(), 16, 2.0, 9)
    conditions, generator = find_level("low").point(), torch.Generator().manual_seed(1)
    truth = simulate(frames, conditions, generator, 9, (64, 64)).truth
    assert torch.equal(truth.scene, frames[4, 16:80, 16:80])
