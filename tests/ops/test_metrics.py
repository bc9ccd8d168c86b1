"""Metrics: known values, and what they must not care about."""

from __future__ import annotations

import math

import pytest
import torch

from burst.ops.metrics import psnr, ssim


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
