"""Turns and scales of the air are told from the camera's, and D/r0 is right without them."""

import math

import numpy as np
import pytest
import torch
from simulated import stack_of, total_flow

from burst.data.camera_path import CameraPath
from burst.ops.alignment.motion import add_motion
from burst.ops.alignment.turns import (
    SCALE_OF_AIR,
    TURN_OF_AIR,
    air_displacement,
    turns_are_of_air,
    turns_at_random,
    without_turns,
)
from burst.ops.blur.strength import fit_strength, measure_strength, structure_function
from burst.ops.turbulence.air import Air, tilt_to_pixels, zernike_fields
from burst.ops.warp import resize_field

SIZE = (128, 128)


def air_flow(d_over_r0: float, seed: int, frames: int = 40) -> torch.Tensor:
    """Return displacements [n, 2, 128, 128] px by air alone, frames apart in time."""
    air = Air(d_over_r0, modes=3, coherence=0.0)
    tilts = zernike_fields(air, (17, 17), 8.0, frames, torch.Generator().manual_seed(seed))
    return resize_field(tilts * tilt_to_pixels(1.0), SIZE)


def textured() -> torch.Tensor:
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(0))


def test_turns_that_the_camera_took_from_the_air_are_put_back_by_its_shears():
    draw = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(40.0) - 19.5, torch.arange(60.0) - 29.5, indexing="ij")
    stretch, skew = 0.01 * torch.randn(2, 2000, 1, 1, generator=draw)
    sheared = torch.stack([stretch * x + skew * y, skew * x - stretch * y], dim=1)
    motion = CameraPath(turn=5, kind="random").motion(2000, (40, 60), draw)
    air = air_displacement(add_motion(sheared, motion), motion)
    across, down = air[..., 1:].sub(air[..., :-1])[..., 0, 0].unbind(1)
    assert float(across.std()) == pytest.approx(0.01 * math.sqrt(1 + SCALE_OF_AIR), rel=0.05)
    assert float(down.std()) == pytest.approx(0.01 * math.sqrt(1 + TURN_OF_AIR), rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_air_alone_turns_as_air_does(seed):
    assert turns_are_of_air(air_flow(3.0, seed), None)
    assert turns_are_of_air(air_flow(3.0, seed, frames=9), None)


@pytest.mark.parametrize("level", ["low", "medium", "high", "very-high"])
def test_air_and_vibration_of_all_levels_turn_as_air_does(level):
    assert turns_are_of_air(total_flow(stack_of(level)), None)


@pytest.mark.parametrize(
    "path", [CameraPath(scale=0.04, kind="random"), CameraPath(turn=3, kind="random")]
)
def test_what_is_left_of_the_camera_is_noticed(path):
    motion = path.motion(40, SIZE, torch.Generator().manual_seed(1))
    flow = add_motion(air_flow(3.0, 0), motion)
    assert not turns_are_of_air(flow, None)
    assert not turns_are_of_air(flow, motion)


def test_a_camera_that_turns_evenly_leaves_the_air_its_own():
    motion = CameraPath(turn=10, scale=0.05).motion(40, SIZE)
    assert not turns_at_random(motion)
    assert turns_are_of_air(add_motion(air_flow(3.0, 0), motion), motion)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("d_over_r0", [1.5, 4.0])
def test_the_strength_is_right_however_the_camera_turns_and_scales(d_over_r0, seed):
    flow, draw = air_flow(d_over_r0, seed), torch.Generator().manual_seed(seed)
    still = measure_strength(flow, textured(), 1.0).d_over_r0
    # What was found of the motion has taken what the air turned and scaled.
    path = CameraPath(turn=3, scale=0.03, kind="random")
    motion = path.motion(40, SIZE, draw)
    taken = add_motion(without_turns(flow), motion)
    assert measure_strength(taken, textured(), 1.0, motion).d_over_r0 == pytest.approx(
        still, rel=0.15
    )
    # The motion was not noticed at all.
    left = add_motion(flow, motion)
    assert measure_strength(left, textured(), 1.0).d_over_r0 == pytest.approx(still, rel=0.15)


def test_theory_knows_what_displacements_lose_with_turns_and_scales():
    flow = without_turns(air_flow(3.0, 0, frames=600))
    distance, square = structure_function(flow, torch.ones(SIZE), 4)
    right, wrong = (fit_strength(distance, square, 1.0, unturned=size) for size in (SIZE, None))
    assert right.misfit < 0.05
    assert right.d_over_r0 == pytest.approx(3.0, rel=0.1)
    assert wrong.d_over_r0 < 0.85 * right.d_over_r0
    np.testing.assert_allclose(right.model, square, rtol=0.15)
