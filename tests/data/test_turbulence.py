"""Simulated stacks obey the physics that they were asked for, and their truth is true."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated import camera_scene, linear_of, rms, stack_of, total_flow

from burst.data.levels import Conditions
from burst.data.turbulence import Camera, simulate
from burst.ops.blur.psf import blur, equivalent_sigma, short_exposure
from burst.ops.turbulence.air import Air, tilt_std
from burst.ops.warp import warp
from burst.records import Shutter

CALM = Conditions(d_over_r0=1e-3, electrons=1000, read_noise=6, vibration=0, row_noise=0)
FLAWLESS = Camera(pixel_gain_std=0, pixel_offset_std=0, hot_pixels=0)


def camera_with(**sensor) -> Camera:
    """Return a camera without flaws whose sensor differs from the default in some fields."""
    return replace(FLAWLESS, sensor=replace(FLAWLESS.sensor, **sensor))


def flat_stack(level: float, conditions: Conditions, camera: Camera = FLAWLESS, frames: int = 40):
    """Return a stack of a flat scene, 48 x 64."""
    scene = torch.full((80, 96), level)
    return simulate(scene, conditions, torch.Generator().manual_seed(0), frames, (48, 64), camera)


def shaken(camera: Camera, d_over_r0: float = 1e-3):
    """Return 8 frames of 64 x 64 by a strongly shaking camera."""
    conditions = replace(CALM, vibration=1.5, d_over_r0=d_over_r0)
    generator = torch.Generator().manual_seed(4)
    return simulate(camera_scene(), conditions, generator, 8, (64, 64), camera)


def test_the_same_seed_gives_the_same_bytes():
    one, two, other = (
        simulate(camera_scene(), CALM, torch.Generator().manual_seed(seed), 3, (32, 40)).stack
        for seed in (7, 7, 8)
    )
    assert one.frames.tobytes() == two.frames.tobytes()
    assert one.frames.tobytes() != other.frames.tobytes()


def test_shapes_are_as_told():
    simulated = stack_of("medium")
    truth = simulated.truth
    assert simulated.stack.frames.shape == (30, 128, 128)
    assert simulated.stack.frames.dtype == np.uint16
    assert truth.scene.shape == (128, 128)
    assert truth.flow.shape == (30, 2, 128, 128)
    assert truth.row_motion.shape == (30, 128, 2)
    assert truth.noiseless.shape == (30, 128, 128)
    assert truth.row_offset.shape == (30, 128)


def test_the_middle_of_the_scene_is_seen():
    truth = simulate(camera_scene(), CALM, torch.Generator().manual_seed(0), 2, (64, 80)).truth
    assert torch.equal(truth.scene, camera_scene()[224:288, 216:296])


def test_a_small_scene_is_mirrored():
    scene = camera_scene()[:40, :40]
    truth = simulate(scene, CALM, torch.Generator().manual_seed(0), 2, (40, 56)).truth
    assert torch.equal(truth.scene[:, 8:48], scene)
    assert torch.equal(truth.scene[:, 7], scene[:, 0])


@pytest.mark.parametrize("level", [0.05, 0.3, 0.7])
def test_mean_and_variance_of_noise_are_those_of_the_model(level):
    linear = linear_of(flat_stack(level, CALM))
    expected = level / CALM.electrons + (CALM.read_noise / CALM.electrons) ** 2
    assert float(linear.mean()) == pytest.approx(level, rel=0.01)
    assert float(linear.var(dim=0).mean()) == pytest.approx(expected, rel=0.03)


def test_row_noise_moves_whole_rows():
    simulated = flat_stack(0.3, replace(CALM, row_noise=20))
    rows = linear_of(simulated).mean(2)
    assert rms(simulated.truth.row_offset) == pytest.approx(20 / CALM.electrons, rel=0.05)
    assert rms(rows - rows.mean() - simulated.truth.row_offset) < 0.3 * 20 / CALM.electrons


def test_hot_pixels_are_those_of_the_truth():
    simulated = flat_stack(0.2, CALM, replace(FLAWLESS, hot_pixels=0.01))
    mean = linear_of(simulated).mean(0)
    assert torch.equal(mean > 0.5, simulated.truth.hot)
    assert simulated.truth.hot.any()


def test_pixels_differ_from_each_other_always_alike():
    simulated = flat_stack(0.5, CALM, replace(FLAWLESS, pixel_gain_std=0.05), frames=100)
    linear = linear_of(simulated)
    one, two = linear[::2].mean(0).flatten(), linear[1::2].mean(0).flatten()
    assert float(one.std()) == pytest.approx(0.05 * 0.5, rel=0.1)
    assert float(torch.corrcoef(torch.stack([one, two]))[0, 1]) > 0.9


def test_values_are_clipped_to_twelve_bits():
    dark, bright = (
        flat_stack(level, replace(CALM, electrons=50), camera_with(black_level=16), 4).stack.frames
        for level in (0.0, 1.0)
    )
    assert (dark == 0).mean() > 0.2
    assert bright.max() == 4095


@pytest.mark.parametrize("kind", Shutter)
def test_without_row_time_a_frame_is_displaced_as_one(kind):
    motion = shaken(camera_with(shutter=kind, row_time=0.0)).truth.row_motion
    torch.testing.assert_close(motion, motion[:, :1].expand_as(motion))
    assert float(motion[:, 0].std()) > 0.3


@pytest.mark.parametrize("kind", [Shutter.ROLLING, Shutter.DUAL_REVERSED, Shutter.GLOBAL_RESET])
def test_with_row_time_rows_move_on_their_own(kind):
    motion = shaken(camera_with(shutter=kind, row_time=2e-4)).truth.row_motion
    assert float((motion - motion.mean(1, keepdim=True)).std()) > 0.1


def test_dual_reversed_frames_meet_where_their_rows_do():
    simulated = shaken(camera_with(shutter=Shutter.DUAL_REVERSED, row_time=2e-4))
    assert simulated.stack.scan.tolist() == [1, -1] * 4
    motion = simulated.truth.row_motion
    # Row y of one frame is read when row h - 1 - y of its twin is.
    torch.testing.assert_close(motion[1], motion[0].flip(0))


def test_a_global_shutter_gives_one_displacement_where_there_is_no_air():
    flow = total_flow(shaken(camera_with(shutter=Shutter.GLOBAL)))
    spread = flow - flow.mean((2, 3), keepdim=True)
    assert rms(spread) < 0.01
    assert rms(flow) > 0.5


@pytest.mark.parametrize("shutter", [Shutter.GLOBAL, Shutter.ROLLING])
def test_warping_the_frames_by_the_true_displacement_gives_the_scene_back(shutter):
    air = Air(1.0, aperture_px=64.0)
    camera = camera_with(shutter=shutter, exposure_time=1e-4)
    conditions = replace(CALM, vibration=1.0, d_over_r0=0.8)
    generator = torch.Generator().manual_seed(5)
    simulated = simulate(camera_scene(), conditions, generator, 12, (96, 96), camera, air)
    truth = simulated.truth
    restored = warp(truth.noiseless, total_flow(simulated))
    inside = (..., slice(8, -8), slice(8, -8))
    blurred = blur(truth.scene[None], short_exposure(0.8, 1.0, 0.0, 33))
    moved = rms((truth.noiseless - blurred)[inside])
    assert rms((restored - blurred)[inside]) < 0.4 * moved


def test_the_airs_displacement_has_the_strength_asked_for():
    conditions = replace(CALM, d_over_r0=3.0)
    air = Air(1.0, aperture_px=8.0, coherence=0.0)
    generator = torch.Generator().manual_seed(6)
    simulated = simulate(camera_scene(), conditions, generator, 60, (96, 96), FLAWLESS, air)
    assert rms(simulated.truth.flow) == pytest.approx(tilt_std(3.0), rel=0.1)


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_psfs_sum_to_one_and_are_as_wide_as_theory_says(level):
    truth = stack_of(level).truth
    torch.testing.assert_close(truth.psf.sum((1, 2)), torch.ones(30))
    theory = short_exposure(truth.conditions.d_over_r0, 1.0, 0.0, 33)
    assert equivalent_sigma(truth.psf.mean(0)) == pytest.approx(equivalent_sigma(theory), rel=0.1)


def test_light_is_neither_made_nor_lost():
    simulated = flat_stack(0.4, replace(CALM, d_over_r0=5.0, vibration=1.0), frames=6)
    noiseless = simulated.truth.noiseless
    torch.testing.assert_close(noiseless, torch.full_like(noiseless, 0.4), atol=1e-4, rtol=0)


def test_a_long_exposure_smears_along_the_motion():
    sharp, smeared = (
        shaken(camera_with(exposure_time=seconds)).truth.noiseless for seconds in (1e-5, 3e-2)
    )
    detail = [float(frames.diff(dim=2).abs().mean()) for frames in (sharp, smeared)]
    assert detail[1] < 0.97 * detail[0]


def test_the_sensor_stands_in_the_stack():
    simulated = stack_of("low")
    assert simulated.stack.sensor == Camera().sensor
    assert simulated.stack.sensor.shutter is Shutter.ROLLING
