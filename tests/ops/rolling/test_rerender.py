"""Rows are rendered from images of single instants as a rolling shutter reads them."""

from __future__ import annotations

import pytest
import torch
from rolled import recording, truth
from simulated import rms

from burst.ops.rolling.rerender import MovingImage, rerender
from burst.ops.shutter import readout_share
from burst.records import Shutter

H, W = 128, 160
NOW = torch.zeros(1, 2)
ONE = torch.ones(1)


def still(image: torch.Tensor, dx: float, dy: float) -> MovingImage:
    velocity = (
        torch.tensor([float(dx), float(dy)])
        .to(image)[None, :, None, None]
        .expand(1, 2, *image.shape)
    )
    return MovingImage(image[None], velocity)


def test_a_still_scene_is_what_it_is():
    image = torch.rand(H, W, generator=torch.Generator().manual_seed(0))
    scene = still(image, 0, 0)
    made, there = rerender(scene, scene, torch.rand(1, H, W), ONE, NOW)
    torch.testing.assert_close(made[0], image, atol=1e-4, rtol=0)
    assert there.all()


@pytest.mark.parametrize("frame", [0, 1])
def test_both_frames_of_a_pair_are_rendered_from_what_a_global_shutter_saw(frame):
    sequence = recording(Shutter.DUAL_REVERSED)
    speed = 200 * 0.8 * 0.04 * 127 / 128  # px from the first row to the last
    first, last = (still(truth(sequence, 0, share), speed, speed / 5) for share in (0.0, 1.0))
    share = readout_share(H, sequence.scan)[frame][None, :, None].expand(1, H, W)
    made, there = rerender(first, last, share, ONE, NOW)
    inside = (slice(8, -8), slice(12, -12))
    read = torch.from_numpy(sequence.frames[frame] / 255).float()
    assert rms((made[0] - read)[inside]) < 0.2 * rms((first.image[0] - read)[inside])
    assert there[0][inside].all()
    assert not there.all()


def test_half_of_a_readout_moves_half_as_far():
    sequence = recording(Shutter.DUAL_REVERSED)
    speed = 200 * 0.8 * 0.04 * 127 / 128
    exact = (truth(sequence, 0, share).double() for share in (0.0, 0.5))
    first, middle = (still(image, speed, speed / 5) for image in exact)
    made, _ = rerender(first, middle, torch.ones(1, H, W).double(), ONE / 2, NOW)
    torch.testing.assert_close(made[0], middle.image[0], atol=1e-5, rtol=0)
    alone, _ = rerender(first, first, torch.ones(1, H, W).double(), ONE / 2, NOW)
    torch.testing.assert_close(alone[0], first.image[0], atol=1e-5, rtol=0)


def test_the_second_camera_of_a_rig_is_displaced():
    image = torch.rand(H, W, generator=torch.Generator().manual_seed(0))
    made, _ = rerender(still(image, 0, 0), still(image, 0, 0), torch.zeros(1, H, W), ONE,
                       torch.tensor([[3.0, 2.0]]))  # fmt: skip
    torch.testing.assert_close(made[0, 2:, 3:], image[:-2, :-3], atol=1e-4, rtol=0)


def test_velocity_learns_from_what_was_read():
    sequence = recording(Shutter.DUAL_REVERSED)
    first, last = (truth(sequence, 0, share) for share in (0.0, 1.0))
    share = readout_share(H, sequence.scan)[0][None, :, None].expand(1, H, W)
    read = torch.from_numpy(sequence.frames[0] / 255).float()
    velocity = torch.full((1, 2, H, W), 4.0, requires_grad=True)
    made, there = rerender(
        MovingImage(first[None], velocity), MovingImage(last[None], velocity), share, ONE, NOW
    )
    (((made - read) * there) ** 2).sum().backward()
    assert float(velocity.grad[:, 0].sum()) < 0  # 6.35 px to the right, not 4
    assert float(velocity.grad[:, 1].sum()) > 0  # 1.27 px down
