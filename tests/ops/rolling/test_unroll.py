"""The geometry of rows that are read at different times, checked against known motion."""

import numpy as np
import pytest
import torch
from simulated import rms

from burst.ops.rolling.unroll import (
    FrameSampling,
    blend,
    choose_trajectories,
    clock,
    elapsed,
    frame_sampling,
    position,
    trajectories_at,
    trajectory,
    visibility,
    with_velocity_growth,
)
from burst.ops.warp import pixel_grid
from burst.records import Sensor, Shutter

H, W = 40, 48
INSIDE = (..., slice(6, -6), slice(8, -8))
ROLLING = Sensor(shutter=Shutter.ROLLING, frame_time=0.02, row_time=0.8 * 0.02 / H)
TIMES = clock(ROLLING, H, np.ones(3))


def everywhere(*values: float) -> torch.Tensor:
    """Return a field [c, h, w] that is the same everywhere."""
    return torch.tensor(values).float()[:, None, None].expand(-1, H, W)


def test_rows_are_read_when_the_shutter_says():
    row = torch.tensor([0.0, 39.0])
    torch.testing.assert_close(TIMES.at(2, row), torch.tensor([2.0, 2 + 0.8 * 39 / 40]))


def test_an_instant_is_a_share_of_the_readout_in_either_direction():
    times = clock(Sensor(shutter=Shutter.DUAL_REVERSED, row_time=1e-4), H, np.array([1, -1]))
    assert times.instant(0, 0.0, H) == pytest.approx(times.instant(1, 0.0, H))
    assert times.instant(0, 1.0, H) == pytest.approx(times.instant(1, 1.0, H))
    assert float(times.pace[0]) == pytest.approx(-float(times.pace[1]))


def test_a_long_exposure_counts_by_its_middle():
    sensor = Sensor(shutter=Shutter.ROLLING, frame_time=0.02, row_time=1e-4, exposure_time=0.01)
    assert float(clock(sensor, H, np.ones(2)).start[0]) == pytest.approx(0.25)


def test_motion_down_takes_longer():
    assert float(elapsed(everywhere(0, 5), TIMES, 0, 1)[3, 3]) == pytest.approx(1 + 0.8 * 5 / H)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_trajectories_pass_through_what_they_were_made_of(degree):
    coefficients = torch.tensor([[3.0, -1.0], [0.7, 0.2], [-0.4, 0.3]])[:degree]
    motion = coefficients[..., None, None].expand(-1, -1, H, W)
    gaps = torch.tensor([1.1, -0.9, 2.05])[:degree, None, None].expand(-1, H, W)
    velocities = torch.stack([position(motion, gap) / gap for gap in gaps])
    torch.testing.assert_close(trajectory(gaps, velocities), motion, atol=1e-4, rtol=1e-4)


def test_a_growing_velocity_has_the_mean_it_was_made_of():
    gap, mean = everywhere(-1.1)[0], everywhere(20, -4)[None]
    motion = with_velocity_growth(mean, gap, everywhere(0.1)[0])
    torch.testing.assert_close(position(motion, gap) / gap, mean[0])
    torch.testing.assert_close(motion[1], 0.05 * motion[0])


@pytest.mark.parametrize("frame", [0, 1])
def test_a_view_lands_on_the_row_that_is_read_then(frame):
    motion = torch.stack([everywhere(6, 9), everywhere(1, -2)])
    seen = frame_sampling(motion, TIMES, frame, 0.6)
    _, y = pixel_grid(motion)
    landed = TIMES.at(frame, y + seen.displacement[1])
    torch.testing.assert_close(landed - 0.6, seen.later, atol=1e-5, rtol=0)
    torch.testing.assert_close(position(motion, seen.later), seen.displacement)


def test_a_view_out_of_the_frame_counts_next_to_nothing():
    weight = frame_sampling(everywhere(30, 0)[None], TIMES, 1, 0.4).weight
    assert float(weight[20, -1]) < 1e-3 * float(weight[20, 2])


def test_trajectories_are_carried_to_where_their_points_are():
    x, _ = pixel_grid(torch.zeros(H, W))
    # Velocity depends on the column of frame 0 at row 0, which is read at time 0.
    motion = everywhere(4, 0)[None].clone()
    motion[0, 0] += 0.1 * x
    carried = trajectories_at(motion, TIMES, 0, 0.5)
    column, row = 20.0, 10
    wait = 0.5 - 0.8 * row / H
    expected_source = (column - 4 * wait) / (1 + 0.1 * wait)
    assert float(carried[0, 0, row, 20]) == pytest.approx(4 + 0.1 * expected_source, abs=1e-3)


def test_carried_acceleration_counts_from_the_instant():
    motion = torch.stack([everywhere(4, 0), everywhere(3, 0)])
    carried = trajectories_at(motion, TIMES, 0, 1.0)
    wait = 1.0 - 0.8 * 10 / H
    torch.testing.assert_close(carried[0, 0, 10], torch.full((W,), 4 + 2 * 3 * wait))
    torch.testing.assert_close(carried[1, 0, 10], torch.full((W,), 3.0))


def test_the_trajectory_by_which_frames_agree_is_chosen():
    generator = torch.Generator().manual_seed(0)
    wide = 255 * torch.rand(H, W + 20, generator=generator)
    frames = torch.stack([wide[:, 10 : W + 10], wide[:, 6 : W + 6]])
    true = clock(Sensor(frame_time=1.0), H, np.ones(2))
    still, moving = everywhere(0, 0)[None], everywhere(4, 0)[None]
    for order in ([still, moving], [moving, still]):
        chosen = choose_trajectories(order, frames, true, [0, 1], 0.0)
        torch.testing.assert_close(chosen[INSIDE], moving[INSIDE])


def test_where_images_differ_the_hidden_one_is_left_out():
    images = torch.stack([everywhere(0.2), everywhere(0.8)])
    samplings = [FrameSampling(everywhere(0, 0), everywhere(0)[0], everywhere(1)[0])] * 2
    nothing, surely = torch.zeros(H, W), torch.full((H, W), 3.0)
    for hidden, mean in ((nothing, 0.5), (surely, 0.2)):
        visible = visibility(images, torch.stack([nothing, hidden]))
        assert rms(blend(images, samplings, visible) - mean) < 2e-3
