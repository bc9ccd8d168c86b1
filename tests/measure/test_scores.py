"""The scoring convention: what it forgives, and what it does not."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from burst.data.scenes import read_scene
from burst.measure.scores import half_height, score, share_within
from burst.ops.alignment.registration import smooth
from burst.ops.color import display_to_linear, linear_to_display
from burst.ops.warp import warp
from burst.records import StackError


@pytest.fixture(scope="module")
def scene():
    return read_scene("camera")[100:228, 150:278].contiguous()


def moved(image, field):
    """Return an image [h, w] displaced by a field [2, h, w] or a shift [2]."""
    flow = field.reshape(2, -1, 1).expand(2, image.numel(), 1) if field.ndim == 1 else field
    return warp(image[None], flow.reshape(1, 2, *image.shape))[0]


def blurred(image, sigma):
    """Return an image [h, w] blurred by a Gaussian of `sigma` px."""
    return smooth(image[None, None], sigma)[0, 0]


def test_truth_scores_best(scene):
    scores = score(scene, scene)
    assert scores.psnr > 80
    assert scores.psnr_without_warp > 80
    assert scores.ssim == pytest.approx(1, abs=1e-6)


def test_gain_and_offset_of_the_display_are_forgiven(scene):
    other = display_to_linear(0.7 * linear_to_display(scene) + 0.1)
    assert score(other, scene).psnr > 80


@pytest.mark.parametrize("shift", [(2.0, -3.0), (0.3, 0.4), (-1.6, 0.0)])
def test_shift_is_forgiven(scene, shift):
    soft = blurred(scene, 1.0)
    assert score(moved(soft, torch.tensor(shift)), soft).psnr > 40


def test_a_sharp_image_that_lies_between_the_pixels_is_as_good(scene):
    display = linear_to_display(scene)
    wide = functional.pad(display[None, None], (32,) * 4, mode="reflect")[0, 0]
    down, right = (torch.fft.fftfreq(len(wide)) for _ in range(2))
    turned = torch.fft.fft2(wide) * torch.exp(2j * torch.pi * (down[:, None] + right) / 2)
    halfway = torch.fft.ifft2(turned).real[32:-32, 32:-32]
    scores = score(display_to_linear(halfway), scene)
    assert scores.psnr > 40
    assert scores.psnr_without_warp > 40
    assert scores.mtf50 > 0.48


def test_smooth_warp_is_forgiven_by_one_figure_only(scene):
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    field = torch.stack([0.7 * torch.sin(y / 20), 0.7 * torch.cos(x / 25)])
    scores = score(moved(scene, field), scene)
    assert scores.psnr_without_warp > scores.psnr + 4


def test_removing_the_warp_does_not_repair_blur(scene):
    # A blur of light moves edges a little towards the dark, as a display shows it; that is a warp.
    scores = score(blurred(scene, 1.5), scene)
    assert scores.psnr_without_warp == pytest.approx(scores.psnr, abs=0.4)


def test_border_does_not_count(scene):
    spoiled = scene.clone()
    spoiled[:6] = spoiled[:, -6:] = 1.0
    assert score(spoiled, scene).psnr > 60


def test_image_of_one_grey_is_scored(scene):
    assert 0 < score(torch.full_like(scene, 0.5), scene).psnr < 20


def test_other_size_is_refused(scene):
    with pytest.raises(StackError, match=r"expected a scene of \(8, 8\), found \(128, 128\)"):
        score(torch.zeros(8, 8), scene)


@pytest.mark.parametrize("corner", [(0, 0), (17, 40), (31, 63)])
def test_a_part_of_the_scene_is_scored_against_that_part(scene, corner):
    top, left = corner
    part = scene[top : top + 96, left : left + 64]
    assert score(part, scene).psnr > 60
    assert score(blurred(part, 1.0), scene).psnr == pytest.approx(
        score(blurred(part, 1.0), part).psnr
    )


def test_an_image_of_something_else_is_refused(scene):
    noise = torch.rand((64, 64), generator=torch.Generator().manual_seed(0))
    with pytest.raises(StackError, match="expected a scene of"):
        score(noise, scene)


@pytest.mark.parametrize(("claimed", "held"), [(1.0, 0.9), (2.0, 0.999), (0.5, 0.59)])
def test_intervals_hold_as_many_truths_as_they_are_wide(scene, claimed, held):
    noise = 0.02 * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))
    bright = 0.3 + 0.5 * scene  # nothing is clipped
    deviation = torch.full_like(scene, claimed * 0.02)
    share = share_within(bright + noise, deviation, bright)
    assert share == pytest.approx(held, abs=0.03)
    # A gain and an offset are forgiven, as for all scores.
    darker = 0.8 * (bright + noise)
    assert share_within(darker, 0.8 * deviation, bright) == pytest.approx(held, abs=0.04)


def test_the_width_of_a_blur_is_measured_in_linear_light():
    """Beside bright lights a blur looks wider once it is encoded for a display."""
    draw = torch.Generator().manual_seed(0)
    scene = blurred(torch.rand(160, 160, generator=draw), 0.5) ** 6
    sigma = 1.5
    seen = blurred(scene, sigma)
    true = math.sqrt(2 * math.log(2)) / (2 * math.pi * sigma)
    assert half_height(seen, scene) == pytest.approx(true, rel=0.05)
    assert abs(math.log(score(seen, scene).mtf50 / true)) > 0.1
