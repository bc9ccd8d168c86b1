"""What was not measured, and what lies outside of a frame, does not count."""

import pytest
import torch
from simulated import camera_scene

from burst.ops.alignment.cells import CELL, cells_of
from burst.ops.alignment.grid import Grid
from burst.ops.alignment.merge import robust_mean
from burst.ops.alignment.registration import FINE, aligned_mean, register
from burst.ops.alignment.shifts import global_shifts
from burst.ops.samples import MIRRORED, MIRRORED_SHARE, mean_of_samples, sample
from burst.ops.warp import warp
from burst.records import NoiseModel

NOISE = NoiseModel(0.0, 1e-4)


@pytest.fixture
def frames():
    """Return eight noisy frames [8, 48, 64] of waves."""
    draw = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    scene = 0.5 + 0.2 * (x / 3).sin() * (y / 4).cos() + 0.1 * (x / 7 + y / 5).sin()
    return scene + 0.01 * torch.randn(8, 48, 64, generator=draw)


def spoilt(frames, value):
    """Return frames of which a part is `value`, and which values are sound."""
    valid = torch.ones(frames.shape, dtype=torch.bool)
    valid[1, 10:20, 30:50] = False
    valid[3, :, :20] = False
    valid[:, 5, 7] = False
    return torch.where(valid, frames, value), valid


def test_all_samples_count_where_nothing_is_said(frames):
    flow = torch.full((8, 2, 48, 64), 0.4)
    values, counts = sample(frames, flow, None)
    assert counts is None
    assert torch.equal(values, warp(frames, flow))


def test_samples_from_far_outside_do_not_count(frames):
    flow = torch.zeros(8, 2, 48, 64)
    flow[:, 0] = 10.5 + MIRRORED
    _, counts = sample(frames, flow, torch.ones(frames.shape, dtype=torch.bool))
    assert float(counts[..., :53].min()) == 1
    assert float(counts[..., 53:].max()) == 0


def test_where_the_camera_moved_mirrored_samples_count_little(frames):
    flow = torch.full((8, 2, 48, 64), 0.0)
    flow[:, 0] = 4.5
    valid = torch.ones(frames.shape, dtype=torch.bool)
    _, still = sample(frames, flow, valid)
    _, moved = sample(frames, flow, valid, moved=True)
    assert float(still.min()) == 1
    assert float(moved[..., :59].min()) == 1
    assert float(moved[..., 59:].max()) == pytest.approx(MIRRORED_SHARE)


def test_samples_beside_what_was_not_measured_do_not_count(frames):
    bad, valid = spoilt(frames, 1e3)
    values, counts = sample(bad, torch.full((8, 2, 48, 64), 0.25), valid)
    assert float(counts[1, 9:20, 29:50].max()) == 0
    assert float(counts[1, 21:40, 51:60].min()) == 1
    assert float((values * counts).abs().max()) < 2


def test_a_mean_is_of_what_counts():
    values = torch.tensor([1.0, 2.0, 9.0])[:, None, None].expand(3, 1, 2)
    counts = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(mean_of_samples(values, counts), torch.tensor([[1.5, 4.0]]))
    weights = torch.tensor([3.0, 1.0, 1.0])
    torch.testing.assert_close(mean_of_samples(values, counts, weights)[0, 0], torch.tensor(1.25))


@pytest.mark.parametrize("value", [50.0, -3.0, float("nan")])
def test_merging_does_not_see_what_was_not_measured(frames, value):
    bad, valid = spoilt(frames, value)
    flow, weights = torch.full((8, 2, 48, 64), 0.2), torch.ones(8)
    flow[::2] = -0.2
    mean = aligned_mean(bad, flow, weights, valid)
    merged = robust_mean(bad, flow, weights, NOISE, 4.0, valid)
    clean = aligned_mean(frames, flow, weights)
    inside = (slice(8, -2), slice(9, -2))
    assert float((mean - clean)[inside].abs().max()) < 0.03
    assert float((merged.image - clean)[inside].abs().max()) < 0.03
    assert merged.rejected < 0.01
    assert bool(mean.isfinite().all())


@pytest.mark.parametrize("value", [50.0, float("nan")])
def test_registration_does_not_see_what_was_not_measured(frames, value):
    bad, valid = spoilt(frames, value)
    start = torch.zeros(8, 2, 48 // CELL, 64 // CELL)
    grid = Grid((48, 64), None, valid)
    found, misfit = register(bad, NOISE, start, FINE, grid=grid)
    clean, _ = register(frames, NOISE, start, FINE)
    assert float((found - clean).abs().max()) < 0.3
    assert misfit == pytest.approx(1, abs=0.3)


def test_all_that_was_measured_registers_as_if_nothing_had_been_said(frames):
    shifts = torch.linspace(-1, 1, 8)[:, None].expand(8, 2)
    moved = warp(frames, shifts[..., None, None].expand(-1, -1, 48, 64))
    grid = Grid((48, 64), None, torch.ones(frames.shape, dtype=torch.bool))
    start = cells_of(frames, 0 * shifts)
    with_grid, _ = register(moved, NOISE, start, FINE, grid=grid)
    without, _ = register(moved, NOISE, start, FINE)
    assert float((with_grid - without)[..., 3:-3, 3:-3].abs().max()) < 0.1


def test_shifts_are_found_beside_what_was_not_measured():
    shifts = torch.stack([torch.arange(8.0), -torch.arange(8.0) / 2], dim=1)
    scene = camera_scene()[None, 60:220, 130:298].expand(8, -1, -1)
    bad, valid = spoilt(warp(scene, (20 - shifts)[..., None, None].expand(-1, -1, 120, 128)), 20.0)
    found = global_shifts(bad, 0, valid)
    torch.testing.assert_close(found, shifts, atol=0.4, rtol=0)
