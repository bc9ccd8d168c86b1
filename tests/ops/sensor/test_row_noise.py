"""Row noise is found where there is any, and not where the scene or the camera moves."""

from functools import lru_cache

import pytest
import torch
from simulated import camera_scene, linear_of, rms, stack_of

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.levels import find_level
from burst.ops.noise import fit_noise, lowest_linear, noise_curve
from burst.ops.sensor.row_noise import row_offsets, row_offsets_in_motion
from burst.records import Burst, NoiseModel
from burst.stages.noise import Config, run


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return Gaussian noise of unit variance."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def measured(linear: torch.Tensor, lowest: float) -> NoiseModel:
    """Return the noise model of frames [n, h, w]."""
    return fit_noise(*noise_curve(linear), lowest)


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def test_row_noise_is_found_where_it_is_strong():
    simulated = stack_of("very-high")
    truth = simulated.truth.row_offset
    linear = linear_of(simulated)
    found = row_offsets(linear, measured(linear, lowest_linear(simulated.stack.sensor)))
    assert correlation(found, truth) > 0.65
    assert rms(truth - found) < 0.8 * rms(truth)


def test_row_noise_of_a_still_scene_is_found_but_for_its_smooth_part():
    noise = NoiseModel(1e-4, 1e-4)
    offsets = 0.01 * normal(30, 96, seed=1)
    clean = 0.1 + torch.linspace(0, 0.8, 128).expand(30, 96, 128)
    grain = (noise.shot * clean + noise.read).sqrt() * normal(30, 96, 128)
    linear = clean + grain + offsets[..., None]
    assert rms(row_offsets(linear, noise) - offsets) < 0.5 * rms(offsets)


@pytest.mark.parametrize("level", ["low", "medium"])
def test_row_noise_is_not_invented(level):
    simulated = stack_of(level)
    linear = linear_of(simulated)
    noise = measured(linear, lowest_linear(simulated.stack.sensor))
    assert not row_offsets(linear, noise).any()


PATHS = {
    "drifts by half a frame": CameraPath(drift=(0.5, 0.2)),
    "drifts a little": CameraPath(drift=(0.1, 0.05)),
    "turns": CameraPath(turn=10),
    "jumps": CameraPath(drift=(0.1, 0.1), kind="random"),
}


@lru_cache(maxsize=8)
def moved(path, level):
    return simulate_moved(camera_scene(), find_level(level).point(), path, 4, 30, (128, 128))


@pytest.mark.parametrize("name", PATHS)
def test_what_a_moving_camera_sees_is_no_row_noise(name):
    burst = run(Burst(moved(PATHS[name], "low").stack), Config())
    assert burst.report.entries[-1].numbers["row_noise_std"] == 0


@pytest.mark.parametrize("name", PATHS)
def test_row_noise_is_found_while_the_camera_moves(name):
    simulated = moved(PATHS[name], "very-high")
    truth = simulated.truth.row_offset
    found = run(Burst(simulated.stack), Config()).linear
    left_in = run(Burst(simulated.stack), Config(row_noise=False)).linear
    assert correlation((left_in - found).mean(2), truth) > 0.65


def test_what_was_not_measured_tells_no_row_noise():
    path = PATHS["drifts by half a frame"]
    simulated = moved(path, "very-high")
    linear = linear_of(simulated)
    motion = path.motion(30, (128, 128))
    valid = torch.ones_like(linear, dtype=torch.bool)
    valid[:, :, :40] = False
    spoilt = torch.where(valid, linear, 1.0)
    noise = measured(linear, lowest_linear(simulated.stack.sensor))
    found = row_offsets_in_motion(spoilt, noise, motion, valid)
    assert correlation(found, simulated.truth.row_offset) > 0.5
    valid[3, 50, :100] = False
    assert row_offsets_in_motion(spoilt, noise, motion, valid)[3, 50] == 0
