"""Cameras that move take the scene that the camera at rest takes, through the same air."""

import pytest
import torch
from simulated import camera_scene, rms, total_flow

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.levels import find_level
from burst.ops.alignment.motion import chain, inverse, middle_shift, turn_and_scale, without_motion
from burst.ops.warp import warp

SIZE, FRAMES = (64, 80), 8
EVEN = CameraPath(turn=20, scale=0.1, drift=(0.5, -0.25))
RANDOM = CameraPath(turn=10, scale=0.05, drift=(0.1, 0.1), kind="random")


def taken(path, seed=3):
    """Return a small stack taken along a path."""
    return simulate_moved(camera_scene(), find_level("low").point(), path, seed, FRAMES, SIZE)


def test_an_even_path_goes_as_far_as_asked_from_first_to_last():
    motion = EVEN.motion(FRAMES, SIZE)
    turn, scale = turn_and_scale(motion)
    assert float(turn[-1] - turn[0]) == pytest.approx(20, abs=1e-3)
    assert float(scale[-1] / scale[0]) == pytest.approx(1.1, abs=1e-4)
    # Where the frames' middle stands in the scene.
    seen = middle_shift(inverse(motion), SIZE)
    torch.testing.assert_close(seen[-1] - seen[0], torch.tensor([40.0, -16.0]), atol=1e-3, rtol=0)


def test_a_random_path_is_as_wild_as_asked():
    motion = RANDOM.motion(500, SIZE, torch.Generator().manual_seed(0))
    turn, scale = turn_and_scale(motion)
    assert rms(turn) == pytest.approx(10, rel=0.01)
    assert rms(scale.log()) == pytest.approx(0.0488, rel=0.01)
    assert rms(middle_shift(inverse(motion), SIZE)[:, 0]) == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("path", [EVEN, RANDOM])
def test_the_mean_of_a_path_is_rest(path):
    motion = path.motion(FRAMES, SIZE, torch.Generator().manual_seed(0))
    turn, scale = turn_and_scale(motion)
    assert float(turn.mean()) == pytest.approx(0, abs=1e-4)
    assert float(scale.log().mean()) == pytest.approx(0, abs=1e-4)
    assert float(middle_shift(inverse(motion), SIZE).mean(0).abs().max()) < 1e-3


def test_the_same_seed_gives_the_same_stack():
    assert (taken(RANDOM).stack.frames == taken(RANDOM).stack.frames).all()


def test_rest_is_no_motion():
    motion = CameraPath().motion(FRAMES, SIZE)
    assert float((chain(motion, inverse(motion)) - motion).abs().max()) < 1e-5


@pytest.mark.parametrize("path", [EVEN, RANDOM])
def test_the_truth_is_that_of_the_camera_at_rest(path):
    still, moved = taken(CameraPath()), taken(path)
    torch.testing.assert_close(moved.truth.scene, still.truth.scene)
    torch.testing.assert_close(moved.truth.psf, still.truth.psf)
    assert rms(moved.truth.noiseless - still.truth.noiseless) > 0.05


@pytest.mark.parametrize("path", [EVEN, RANDOM])
def test_the_true_flow_brings_the_frames_back(path):
    moved, still = taken(path), taken(CameraPath())
    flow = total_flow(moved)
    x, y = torch.arange(80.0) + flow[:, 0], torch.arange(64.0)[:, None] + flow[:, 1]
    inside = (x > 1) & (x < 78) & (y > 1) & (y < 62)
    error = rms((warp(moved.truth.noiseless, flow) - moved.truth.scene)[inside])
    plain = rms(warp(still.truth.noiseless, total_flow(still)) - still.truth.scene)
    assert error < 1.2 * plain


def test_the_air_is_the_same_where_the_camera_looks_the_same_way():
    motion = CameraPath(drift=(0.1, 0.0)).motion(FRAMES, SIZE)
    air = without_motion(total_flow(taken(CameraPath(drift=(0.1, 0.0)))), motion)
    still = total_flow(taken(CameraPath()))
    assert rms((air - still)[..., 16:-16, 16:-16]) < 0.3 * rms(still)
