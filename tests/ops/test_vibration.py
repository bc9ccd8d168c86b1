"""A shaking camera moves the image smoothly, by as much as it was told to."""

import pytest
import torch

from burst.ops.vibration import HIGHEST_HZ, Vibration


def shake(rms: float = 0.8, seed: int = 0) -> Vibration:
    """Return a vibration of so many pixels rms per axis."""
    return Vibration(rms, torch.Generator().manual_seed(seed))


def test_rms_over_a_long_time_is_the_one_asked_for():
    seconds = torch.arange(0, 60, 1e-3, dtype=torch.float64)
    motion = shake(0.8).at(seconds)
    assert motion.square().mean(0).sqrt().tolist() == pytest.approx([0.8, 0.8], rel=0.05)


def test_no_vibration_is_no_motion():
    assert not shake(0.0).at(torch.linspace(0, 1, 5).double()).any()


def test_axes_move_on_their_own():
    dx, dy = shake().at(torch.arange(0, 60, 1e-3, dtype=torch.float64)).T
    assert abs(float(torch.corrcoef(torch.stack([dx, dy]))[0, 1])) < 0.2


def test_motion_is_smooth_over_a_row():
    row_time = 6e-5
    motion = shake(1.0).at(torch.arange(0, 2, row_time, dtype=torch.float64))
    # No tone is above HIGHEST_HZ, so that the velocity is bounded by its own.
    assert float(motion.diff(dim=0).square().mean().sqrt()) < 6.3 * HIGHEST_HZ * row_time


def test_motion_depends_on_time_alone_whatever_the_shape_of_times():
    vibration = shake()
    seconds = torch.linspace(0, 1, 12, dtype=torch.float64)
    torch.testing.assert_close(
        vibration.at(seconds.reshape(3, 4)).reshape(12, 2), vibration.at(seconds)
    )


def test_the_same_seed_shakes_alike():
    seconds = torch.linspace(0, 1, 12, dtype=torch.float64)
    assert torch.equal(shake(seed=3).at(seconds), shake(seed=3).at(seconds))
    assert not torch.equal(shake(seed=3).at(seconds), shake(seed=4).at(seconds))
