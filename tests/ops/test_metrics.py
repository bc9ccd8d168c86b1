"""Metrics: known values, and what they must not care about."""

from __future__ import annotations

import math

import pytest
import torch

from burst.ops.alignment.registration import smooth
from burst.ops.metrics import mtf50, psnr, ssim


@pytest.fixture
def image():
    return torch.rand((32, 32), generator=torch.Generator().manual_seed(0))


def test_equal_images_have_no_error(image):
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_an_offset_of_a_tenth_of_white_is_20_db(image):
    assert psnr(image + 0.1, image) == pytest.approx(20, abs=1e-4)


def test_noise_lowers_similarity(image):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert ssim(image + 0.3 * noise, image) < ssim(image + 0.1 * noise, image) < 1


def test_nothing_is_lost_of_the_truth_itself(image):
    assert mtf50(image, image) == 0.5


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_half_of_the_modulation_is_left_where_a_gaussian_says_so(sigma):
    truth = torch.rand((256, 200), generator=torch.Generator().manual_seed(2))
    blurred = smooth(truth[None, None], sigma)[0, 0]
    assert mtf50(blurred, truth) == pytest.approx(0.1874 / sigma, rel=0.05)


def test_noise_is_not_taken_for_sharpness():
    truth = torch.rand((256, 256), generator=torch.Generator().manual_seed(2))
    blurred = smooth(truth[None, None], 1.5)[0, 0]
    noisy = blurred + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    assert mtf50(noisy, truth) == pytest.approx(mtf50(blurred, truth), rel=0.05)
