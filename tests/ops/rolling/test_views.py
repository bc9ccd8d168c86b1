"""What frames alone show: the closest in time first, and how much noise two of them allow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from rolled import recording

from burst.ops.rolling.synthesis import InstantImage
from burst.ops.rolling.views import noise_between, views_of
from burst.records import NoiseModel, Shutter, Views

NOISE = NoiseModel(shot=1e-4, read=1e-5)


def two_views(std: float, texture: float = 0.0) -> Views:
    """Return one instant as two frames show it: noise of its own in each, of `std` times what
    `NOISE` says, about a scene with as strong a texture, which is the same in both."""
    generator = torch.Generator().manual_seed(0)
    scene = 0.5 + texture * torch.randn(1, 1, 1, 128, 128, generator=generator)
    noise = torch.randn(1, 2, 1, 128, 128, generator=generator) * 0.73**0.5
    images = scene + std * NOISE.variance(scene).sqrt() * noise
    whole = torch.ones(1, 2, 128, 128)
    return Views(images, whole, whole, torch.zeros(1, 2, 128, 128), torch.zeros(128),
                 torch.ones(128))  # fmt: skip


@pytest.mark.parametrize("texture", [0.0, 0.02])
def test_two_frames_tell_texture_from_noise(texture):
    found = noise_between(two_views(0.5, texture), NOISE)
    assert found.shot / NOISE.shot == pytest.approx(0.25, rel=0.1)
    assert found.read / NOISE.read == pytest.approx(0.25, rel=0.1)


def test_frames_that_differ_by_more_say_nothing_of_noise():
    assert noise_between(two_views(3.0), NOISE) == NOISE


def test_frames_that_repeat_one_another_are_not_free_of_noise():
    assert noise_between(two_views(0.0), NOISE).shot > NOISE.shot / 20


def test_one_frame_says_nothing():
    seen = two_views(0.5)
    alone = replace(seen, images=seen.images[:, :1], later=seen.later[:, :1])
    assert noise_between(alone, NOISE) == NOISE
    unsure = replace(seen, trust=torch.zeros_like(seen.trust))
    assert noise_between(unsure, NOISE) == NOISE


def test_the_first_view_is_the_one_closest_in_time_at_each_row():
    # Read one after the other in a frame time: the first frame ends where the second begins.
    row = torch.linspace(0, 1, 64)[:, None].expand(64, 8)
    later = torch.stack([row - 1, row])
    one = InstantImage(
        torch.zeros(1, 64, 8), later[:, None], later, later.abs(), torch.zeros(2, 64, 8)
    )
    rolling = recording().luminance()
    stack = replace(rolling, frames=rolling.frames[:, :64, :8].copy())
    seen = views_of([one], stack)
    assert (seen.later[0, 0].abs() <= seen.later[0, 1].abs()).all()
    torch.testing.assert_close(seen.images[0, :, 0], seen.later[0])
    torch.testing.assert_close(seen.trust[0], seen.later[0].abs())
    pair = replace(stack, sensor=replace(stack.sensor, shutter=Shutter.DUAL_REVERSED))
    torch.testing.assert_close(views_of([one], pair).later[0], later.half())
