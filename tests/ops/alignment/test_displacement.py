"""The level of a stack is what the air did to it, the camera's own motion apart."""

import pytest
import torch
from simulated import LEVELS, after, camera_scene, rms

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.levels import find_level
from burst.network import checkpoint
from burst.ops.alignment.displacement import air_displacement_rms
from burst.ops.alignment.motion import add_motion
from burst.pipeline import load
from burst.records import Burst


def drifting(pixels, frames=40):
    """Return the flow [n, 2, 1, 1] of a drift by so many pixels."""
    course = torch.linspace(-0.5, 0.5, frames)[:, None, None, None]
    return course * torch.tensor([pixels, -pixels / 2])[:, None, None]


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_air_and_small_shaking_count_in_full(level):
    flow = after("align", level).flow
    assert air_displacement_rms(flow, None) == float(flow.square().mean().sqrt())


@pytest.mark.parametrize("pixels", [10.0, 20.0, 50.0])
@pytest.mark.parametrize("level", ["low", "medium"])
def test_a_drift_is_not_the_airs(level, pixels):
    flow = after("align", level).flow
    still = air_displacement_rms(flow, None)
    assert air_displacement_rms(flow + drifting(pixels), None) == pytest.approx(still, rel=0.2)


def test_large_shaking_is_not_the_airs():
    flow = after("align", "low").flow
    shake = 8 * torch.randn(40, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    assert air_displacement_rms(flow + shake, None) == pytest.approx(rms(flow), rel=0.4)


@pytest.mark.parametrize(
    "path", [CameraPath(turn=8, drift=(0.3, 0.1)), CameraPath(turn=8, kind="random")]
)
def test_a_known_motion_is_not_the_airs(path):
    flow = after("align").flow
    motion = path.motion(40, (192, 192), torch.Generator().manual_seed(0))
    moved = air_displacement_rms(add_motion(flow, motion), motion)
    assert moved == pytest.approx(rms(flow), rel=0.2)


@pytest.mark.parametrize("level", LEVELS)
def test_a_drifting_stack_is_restored_by_the_same_network_as_the_still_one(level):
    pipeline, chosen = load("classical").until("align"), set()
    for path in (CameraPath(), CameraPath(drift=(0.08, 0)), CameraPath(drift=(0.4, 0.2))):
        simulated = simulate_moved(
            camera_scene(), find_level(level).point(), path, 2, 24, (128, 128)
        )
        burst = pipeline.run(Burst(simulated.stack))
        assert burst.level is not None
        chosen.add(checkpoint.choose(burst.level).stem)
    assert len(chosen) == 1
