"""Restorations that speak against the frames are told apart."""

import pytest
import torch

from burst.ops.blur.psf import equivalent_sigma, short_exposure, soften
from burst.ops.blur.restraint import outside, unexplained


def test_values_where_no_light_can_be_are_counted():
    merged = torch.full((10, 10), 0.5)
    image = merged.clone()
    image[0] = -0.2
    assert outside(image, merged, 0.01) == pytest.approx(0.1)
    image[1:3] = 1.2
    assert outside(image, merged, 0.01) == pytest.approx(0.2)


def test_noise_and_what_was_outside_before_is_not_counted():
    merged = torch.full((10, 10), 0.5)
    merged[0] = -0.3
    image = merged.clone()
    image[1] = -0.02
    assert outside(image, merged, 0.01) == 0


def test_white_is_no_end_where_it_saturates():
    merged = torch.full((10, 10), 0.5)
    merged[0] = 1.0
    assert outside(merged + 0.6, merged, 0.01) == 0


def test_a_correction_that_the_blur_hides_is_not_against_the_frames():
    psf = short_exposure(3.0, 1.0, 0.1, 33)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    fine, coarse = 0.01 * (-1.0) ** (x + y), 0.01 * torch.cos(x / 10)
    assert unexplained(fine, psf, 0.001) < 0.1
    assert unexplained(coarse, psf, 0.001) > 5


def test_softening_narrows_a_psf_down_to_none():
    psf = short_exposure(3.0, 1.0, 0.1, 33)
    widths = [equivalent_sigma(soften(psf, power)) for power in (1.0, 0.6, 0.0)]
    torch.testing.assert_close(soften(psf, 1.0), psf, atol=1e-5, rtol=0)
    assert widths == sorted(widths, reverse=True)
    assert float(soften(psf, 0.0).max()) == pytest.approx(1.0, abs=1e-3)
    wide = soften(short_exposure(12.0, 1.0, 3.0, 33), 0.0)  # most of its frequencies are lost
    assert float(wide.max()) == pytest.approx(1.0, abs=1e-3)
