"""Drizzle keeps light, and shows what frames that lie apart show together."""

import pytest
import torch

from burst.ops.blur.drizzle import drizzle, drizzled_psf
from burst.ops.blur.psf import equivalent_sigma, short_exposure


def shifted(count: int) -> torch.Tensor:
    """Return flows [n, 2, 24, 24] of shifts by parts of a pixel."""
    draw = torch.Generator().manual_seed(1)
    return (torch.rand((count, 2, 1, 1), generator=draw) - 0.5).expand(-1, -1, 24, 24)


@pytest.mark.parametrize("scale", [1.5, 2.0])
def test_a_uniform_scene_stays_uniform(scale):
    image, _ = drizzle(torch.full((30, 24, 24), 0.4), shifted(30), torch.ones(30), scale, 0.7)
    assert image.shape == (24 * scale, 24 * scale)
    torch.testing.assert_close(image, torch.full_like(image, 0.4))


def test_detail_finer_than_a_pixel_appears():
    flow = shifted(200)
    x = torch.arange(24.0)[None, None] + flow[:, 0, :, :1]
    # 0.7 cycles per pixel: a single frame shows it as 0.3.
    frames = (0.5 + 0.4 * torch.cos(2 * torch.pi * 0.7 * (x - 2 * flow[:, 0, :, :1]))).expand(
        -1, 24, -1
    )
    image, _ = drizzle(frames, flow, torch.ones(200), 2.0, 0.5)
    finer = (torch.arange(48.0) + 0.5) / 2 - 0.5
    fine = torch.cos(2 * torch.pi * 0.7 * finer)
    row = image[24] - image[24].mean()
    inside = slice(6, -6)
    seen = float((row * fine)[inside].mean() / fine[inside].square().mean())
    assert seen > 0.15


def test_values_that_are_not_valid_do_not_count():
    frames, valid = torch.full((30, 24, 24), 0.4), torch.ones(30, 24, 24, dtype=torch.bool)
    frames[:15, 5, 5], valid[:15, 5, 5] = 9.0, False
    image, _ = drizzle(frames, shifted(30), torch.ones(30), 1.5, 0.7, valid)
    assert float(image.max()) == pytest.approx(0.4)


def test_noise_is_told_as_large_as_it_is():
    frames = torch.randn((40, 24, 24), generator=torch.Generator().manual_seed(2))
    image, variance = drizzle(frames, shifted(40), torch.ones(40), 1.5, 0.7)
    assert float(image[4:-4, 4:-4].var()) == pytest.approx(variance, rel=0.2)


def test_the_psf_is_as_wide_on_the_finer_grid():
    psf = short_exposure(3.0, 1.0, 0.1, 33)
    finer = drizzled_psf(psf, 1.5, 0.3)
    assert float(finer.sum()) == pytest.approx(1)
    assert equivalent_sigma(finer) == pytest.approx(1.5 * equivalent_sigma(psf), rel=0.08)


def test_a_narrow_psf_does_not_end_at_the_frames_highest_frequency():
    """A deconvolution would make stripes of what lies beyond."""
    x = torch.arange(33.0) - 16
    row = torch.exp(-x.square() / (2 * 0.45**2))
    psf = torch.outer(row, row) / row.sum() ** 2
    along = torch.fft.rfft(drizzled_psf(psf, 2.0, 0.7).sum(0), 134).abs()
    assert float(along[33]) > 0.2  # half a cycle per pixel of the frames
    assert float(along[38]) > 0.7 * float(along[33])
    assert bool((along.diff() < 1e-3).all())
