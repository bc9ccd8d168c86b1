"""Shift, turn and scale of frames are found however large, and none where air alone moves them."""

import numpy as np
import pytest
import torch
from simulated import camera_scene, linear_of, rms, stack_of

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.levels import find_level
from burst.data.scenes import read_scene
from burst.ops.alignment.motion import chain, flow_of, inverse, middle_shift, turn_and_scale
from burst.ops.alignment.shifts import global_shifts
from burst.ops.alignment.similarity import camera_moved, find_motion

SIZE, FRAMES = (96, 96), 24


def found_and_true(path, level="low", key=7, kept=None):
    """Return what is found of a stack that was taken along a path, and its motion."""
    simulated = simulate_moved(camera_scene(), find_level(level).point(), path, 3, FRAMES, SIZE)
    true = path.motion(FRAMES, SIZE, torch.Generator().manual_seed(4))
    frames = linear_of(simulated)
    if kept is not None:
        frames, true = frames[kept], true[kept]
    found = find_motion(frames, key, global_shifts(frames, key), times=kept)
    return found, true


def error(found, true):
    """Return how far (px rms) points of the frames lie from where they should, the reference left
    free, which is that of their mean."""
    own = chain(inverse(true), found.pose)
    own = chain(inverse(own[:1]).expand_as(own), own)
    return float(flow_of(own, SIZE).square().sum(1).mean().sqrt())


PATHS = {
    "turns at random": CameraPath(turn=10, kind="random"),
    "turns evenly": CameraPath(turn=20),
    "scales at random": CameraPath(scale=0.05, kind="random"),
    "scales evenly": CameraPath(scale=0.1),
    "all at once": CameraPath(turn=10, scale=0.05, drift=(0.2, 0.2)),
}


@pytest.mark.parametrize("name", PATHS)
def test_frames_are_found_however_they_turn(name):
    found, true = found_and_true(PATHS[name])
    assert found.turned
    assert bool(found.placed.all())
    # Air and vibration move frames by a pixel or two on their own.
    assert error(found, true) < 4
    turn, scale = turn_and_scale(found.pose)
    true_turn, true_scale = turn_and_scale(true)
    assert float((turn - true_turn).abs().max()) < 2
    assert float((scale / true_scale - 1).abs().max()) < 0.04


@pytest.mark.parametrize("level", ["low", "very-high"])
@pytest.mark.parametrize("drift", [(0.5, 0.0), (-0.3, 0.7)])
def test_a_drift_of_half_a_frame_and_more_is_followed(level, drift):
    found, true = found_and_true(CameraPath(drift=drift), level)
    assert found.drifts
    assert bool(found.placed.all())
    # Air and vibration move whole frames by 1 px rms at low, by 4 px at very-high.
    shift = middle_shift(found.pose, SIZE) - middle_shift(true, SIZE)
    assert rms(shift) < {"low": 2, "very-high": 6}[level]


def test_a_drift_is_followed_where_frames_are_missing():
    kept = torch.tensor([0, 1, 2, 7, 8, 9, 10, 11, 17, 18, 22, 23])
    found, true = found_and_true(CameraPath(drift=(0.6, 0.0)), kept=kept)
    assert bool(found.placed.all())
    assert found.drifts
    shift = middle_shift(found.motion, SIZE) - middle_shift(true, SIZE)
    assert float((shift - shift.mean(0)).abs().max()) < 2


@pytest.mark.parametrize("level", ["low", "medium", "high", "very-high"])
def test_air_alone_neither_turns_nor_drifts(level):
    frames = linear_of(stack_of(level, 128, 30))
    found = find_motion(frames, 4, global_shifts(frames, 4))
    assert not found.turned
    assert not found.drifts


def test_frames_that_show_nothing_in_common_stay():
    frames = 0.5 + 0.1 * torch.randn(12, 64, 64, generator=torch.Generator().manual_seed(0))
    found = find_motion(frames, 2, torch.zeros(12, 2))
    assert not found.turned
    assert float(flow_of(found.motion, (64, 64)).abs().max()) == 0


def test_a_frame_of_something_else_is_not_placed():
    simulated = simulate_moved(
        camera_scene(), find_level("low").point(), CameraPath(turn=10), 3, FRAMES, SIZE
    )
    frames = linear_of(simulated)
    frames[9] = frames[9].flip(-1)
    found = find_motion(frames, 3, global_shifts(frames, 3))
    assert found.placed.tolist().count(False) <= 1
    turn, _ = turn_and_scale(found.pose)
    true, _ = turn_and_scale(CameraPath(turn=10).motion(FRAMES, SIZE))
    others = torch.arange(FRAMES) != 9
    assert float((turn - turn.mean() - true)[others].abs().max()) < 1.5


def test_what_was_not_measured_does_not_count():
    path = CameraPath(turn=10, drift=(0.2, 0.0))
    simulated = simulate_moved(camera_scene(), find_level("low").point(), path, 3, FRAMES, SIZE)
    frames = linear_of(simulated)
    valid = torch.ones(frames.shape, dtype=torch.bool)
    valid[::3, 60:] = False
    valid[:, 30:40, 30:40] = False
    frames = torch.where(valid, frames, 3.0)
    found = find_motion(frames, 4, global_shifts(frames, 4, valid), valid)
    assert bool(found.placed.all())
    assert error(found, path.motion(FRAMES, SIZE)) < 4


@pytest.mark.parametrize("key", [2, 21])
def test_round_things_are_not_laid_at_a_wrong_turn(key):
    """A cup and its saucer look nearly alike however they are turned."""
    path, size = CameraPath(drift=(0.5, 0.2)), (128, 128)
    scene, conditions = read_scene("coffee"), find_level("low").point()
    frames = linear_of(simulate_moved(scene, conditions, path, 2, FRAMES, size))
    found = find_motion(frames, key, global_shifts(frames, key))
    assert not found.turned
    shift = middle_shift(found.pose, size) - middle_shift(path.motion(FRAMES, size), size)
    assert rms(shift) < 2


def test_a_round_thing_at_rest_in_noise_does_not_turn():
    y, x = np.mgrid[:128, :128] - 63.5
    scene = torch.from_numpy(np.cos(np.hypot(x, y) / 3) * (np.hypot(x, y) < 50)).float()
    noise = torch.randn((20, 128, 128), generator=torch.Generator().manual_seed(0))
    frames = scene + noise
    found = find_motion(frames, 0, torch.zeros(20, 2))
    assert not found.turned


def views():
    """Return scenes [h, w] that fit at many wrong places, or show hardly anything."""
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")
    star = 0.3 * torch.exp(-((x - 96) ** 2 + (y - 80) ** 2) / 1.3)
    return {"bars": 0.2 + 0.6 * (x // 6 % 2), "a star": star}


@pytest.mark.parametrize(("name", "level"), [("bars", "low"), ("a star", "medium")])
def test_the_camera_rests_before_bars_and_a_lonely_star(name, level):
    size, conditions = (128, 128), find_level(level).point()
    frames = linear_of(simulate_moved(views()[name], conditions, CameraPath(), 3, 20, size))
    assert not camera_moved(find_motion(frames, 7, global_shifts(frames, 7)), size)
