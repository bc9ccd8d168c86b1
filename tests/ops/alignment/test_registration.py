"""Displacement fields are recovered from frames alone."""

import pytest
import torch
from simulated import camera_scene, linear_of, rms, stack_of, total_flow

from burst.ops.alignment.cells import CELL, cells_of, expand
from burst.ops.alignment.registration import (
    COARSE,
    FINE,
    aligned_mean,
    difference_variance,
    gradient,
    pixel_weight,
    recentre,
    register,
    smooth,
)
from burst.ops.alignment.shifts import global_shifts
from burst.ops.noise import fit_noise, lowest_linear, noise_curve
from burst.ops.warp import invert, warp
from burst.records import NoiseModel

QUIET = NoiseModel(1e-5, 1e-6)
SHIFTS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.4, -0.7], [-2.3, 3.6], [5.25, 2.5]])


def shifted(shifts: torch.Tensor) -> torch.Tensor:
    """Return frames [n, 120, 128] of the camera man in which he stands `shifts` [n, 2] off."""
    scene = camera_scene()[None, 60:220, 130:298].expand(len(shifts), -1, -1)
    flow = (20 - shifts)[..., None, None].expand(-1, -1, 120, 128)
    return warp(scene, flow)


def wave(frames: int, height: float) -> torch.Tensor:
    """Return flows [n, 2, 120, 128] that swing around zero and are zero on average."""
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(128.0), indexing="ij")
    phase = 2 * torch.pi * torch.arange(frames)[:, None, None] / frames
    return height * torch.stack([(y / 15 + phase).sin(), (x / 17 + phase).cos()], dim=1)


def test_global_shifts_are_found_to_a_fraction_of_a_pixel():
    found = global_shifts(shifted(SHIFTS), key=0)
    torch.testing.assert_close(found, SHIFTS, atol=0.15, rtol=0)


def test_shifts_are_those_against_the_key_frame():
    found = global_shifts(shifted(SHIFTS), key=3)
    torch.testing.assert_close(found, SHIFTS - SHIFTS[3], atol=0.15, rtol=0)


@pytest.mark.parametrize(("level", "bound"), [("low", 0.35), ("medium", 0.75)])
def test_displacement_of_simulated_frames_is_recovered(level, bound):
    simulated = stack_of(level)
    linear = linear_of(simulated)
    noise = fit_noise(*noise_curve(linear), lowest_linear(simulated.stack.sensor))
    shifts = global_shifts(linear, 0)
    start = cells_of(linear, shifts - shifts.mean(0))
    cells, _ = register(linear, noise, start, (*COARSE, *FINE))
    truth = recentre(total_flow(simulated))
    inside = (..., slice(8, -8), slice(8, -8))
    found = recentre(expand(cells, (128, 128)))
    error = (found - truth)[inside].norm(dim=1).mean()
    assert float(error) < bound
    assert float(error) < 0.3 * float(truth[inside].norm(dim=1).mean())


def test_registration_to_a_given_reference_finds_its_displacement():
    shifts = SHIFTS[:3]
    frames = shifted(shifts)
    scales = (*COARSE, *FINE)
    cells, misfit = register(frames, QUIET, 0 * cells_of(frames, shifts), scales, frames[0])
    found = expand(cells, (120, 128))[..., 20:-20, 20:-20].mean((2, 3))
    torch.testing.assert_close(found, shifts, atol=0.05, rtol=0)
    assert misfit > 0


def test_registration_to_the_mean_leaves_no_mean_displacement():
    frames = shifted(SHIFTS[:3])
    cells, _ = register(frames, QUIET, cells_of(frames, SHIFTS[:3]), COARSE[-1:])
    assert float(cells.mean(0).abs().max()) < 1e-5


@pytest.mark.parametrize("noise", [NoiseModel(1e-3, 4e-5), NoiseModel(0.0125, 0.01)])
def test_no_displacement_is_invented_where_nothing_moves(noise):
    scene = smooth(camera_scene()[None, None, 80:208, 160:288], 1.5)[0].expand(20, -1, -1)
    draw = torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))
    frames = scene + (noise.shot * scene + noise.read).sqrt() * draw
    cells, misfit = register(frames, noise, torch.zeros(20, 2, 32, 32), (*COARSE, *FINE))
    assert rms(cells) < 0.1
    assert misfit == pytest.approx(1, abs=0.1)


def test_cells_of_a_shift_expand_to_that_shift():
    cells = cells_of(torch.zeros(5, 30, 41), SHIFTS)
    assert cells.shape == (5, 2, 8, 11)
    expected = SHIFTS[..., None, None].expand(-1, -1, 30, 41)
    torch.testing.assert_close(expand(cells, (30, 41)), expected)


def test_cells_expand_linearly_between_their_centres():
    ramp = torch.arange(8.0).expand(1, 2, 6, 8)
    flow = expand(ramp, (24, 32))
    centre = (CELL - 1) / 2
    expected = (torch.arange(32.0) - centre) / CELL
    torch.testing.assert_close(flow[0, 0, 10, 2:-2], expected[2:-2])


def test_recentring_takes_out_the_mean_displacement():
    flow = wave(12, 1.2)
    moved = flow + 0.8 * torch.sin(torch.arange(128.0) / 20)
    assert rms(moved.mean(0)) > 0.5
    assert rms(recentre(moved).mean(0)[..., 6:-6, 6:-6]) < 0.05


def test_recentring_a_centred_flow_changes_nothing():
    flow = wave(12, 1.2)
    assert rms(recentre(flow) - flow) < 1e-3


def test_recentring_changes_only_the_reference_not_where_frames_agree():
    bend = torch.sin(torch.arange(128.0) / 20).expand(1, 2, 120, 128)
    flow = bend.expand(4, -1, -1, -1)
    # Frames that all are bent alike have no displacement against their own mean.
    assert rms(recentre(flow)[..., 8:-8, 8:-8]) < 0.02


def test_frames_warped_by_their_flow_average_to_the_scene():
    scene = smooth(camera_scene()[None, None, 80:200, 150:278], 1.5)[0].expand(8, -1, -1)
    flow = wave(8, 1.5)
    frames = warp(scene, invert(-flow, iterations=8))
    mean = aligned_mean(frames, flow, torch.ones(8))
    inside = (slice(8, -8), slice(8, -8))
    assert rms((mean - scene[0])[inside]) < 0.15 * rms((frames.mean(0) - scene[0])[inside])


def test_the_aligned_mean_follows_the_weights():
    frames = torch.stack([torch.zeros(8, 8), torch.ones(8, 8)])
    mean = aligned_mean(frames, torch.zeros(2, 2, 8, 8), torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(mean, torch.full((8, 8), 0.25))


def test_difference_variance_takes_the_noise_off():
    draw = torch.Generator().manual_seed(0)
    xx, yy, xy = torch.full((50, 50), 2.0), torch.full((50, 50), 3.0), torch.zeros(50, 50)
    true = 0.5 * torch.randn(40, 2, 50, 50, generator=draw)
    pixels = 10.0
    slope = torch.stack([xx, yy])
    noise = (slope / pixels).sqrt() * torch.randn(40, 2, 50, 50, generator=draw)
    found = difference_variance(slope * true + noise, xx, xy, yy, pixels)
    assert found == pytest.approx(0.25, rel=0.05)


def test_a_pixel_that_differs_by_noise_alone_weighs_one_over_its_variance():
    draw = torch.Generator().manual_seed(0)
    noise = NoiseModel(0.01, 1e-4)
    frames = 0.5 + noise.std(0.5) * torch.randn(40, 32, 32, generator=draw)
    reference = torch.full((32, 32), 0.5)
    spread = (frames - reference).square().sum(0)
    weight, misfit = pixel_weight(spread, None, 40, reference, noise)
    assert misfit == pytest.approx(1, abs=0.05)
    assert float(weight.mean()) == pytest.approx(1 / noise.std(0.5) ** 2, rel=0.1)


def test_a_place_where_something_moves_weighs_less():
    frames = torch.zeros(20, 32, 32)
    frames[::2, 12:20, 12:20] = 1.0
    spread = (frames - frames.mean(0)).square().sum(0)
    weight, _ = pixel_weight(spread, None, len(frames), frames.mean(0), NoiseModel(0.0, 1e-4))
    assert float(weight[16, 16]) < 1e-2 * float(weight[2, 2])


def test_the_gradient_of_a_plane_is_its_slope():
    y, x = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    gx, gy = gradient(0.5 * x - 2 * y)
    torch.testing.assert_close(gx[:, 1:-1], torch.full((7, 7), 0.5))
    torch.testing.assert_close(gy[1:-1], torch.full((5, 9), -2.0))


def test_smoothing_keeps_a_constant_and_the_sum_of_a_spot():
    flat = torch.full((1, 1, 20, 20), 0.7)
    torch.testing.assert_close(smooth(flat, 2.0), flat)
    spot = torch.zeros(1, 1, 31, 31)
    spot[0, 0, 15, 15] = 1
    assert float(smooth(spot, 2.0).sum()) == pytest.approx(1, abs=1e-4)


def test_cells_are_recentred_as_their_flow_is():
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    strength = torch.linspace(0.5, 1.5, 5)[:, None, None, None]
    cells = strength * torch.stack([0.2 * x, -0.1 * y])
    by_cell = expand(recentre(cells / CELL) * CELL, (96, 96))[..., 24:-24, 24:-24]
    by_pixel = recentre(expand(cells, (96, 96)))[..., 24:-24, 24:-24]
    assert (by_cell - by_pixel).abs().max() < 0.05
    wrong = expand(recentre(cells), (96, 96))[..., 24:-24, 24:-24]
    assert (wrong - by_pixel).abs().max() > 0.05
