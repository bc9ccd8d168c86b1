"""Deconvolution undoes a known blur and adds nothing of its own."""

import pytest
import torch
from simulated import camera_scene, rms

from burst.ops.blur.deconvolve import deconvolve
from burst.ops.blur.psf import blur, short_exposure
from burst.ops.metrics import psnr


@pytest.fixture(scope="module")
def scene() -> torch.Tensor:
    """Return the camera man's upper body [128, 144]."""
    return camera_scene()[70:198, 150:294].contiguous()


def identity(size: int = 33) -> torch.Tensor:
    """Return the PSF [k, k] that changes nothing."""
    psf = torch.zeros(size, size)
    psf[size // 2, size // 2] = 1
    return psf


def noisy(image: torch.Tensor, sigma: float, seed: int = 0) -> torch.Tensor:
    """Return an image with Gaussian noise."""
    return image + sigma * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))


def test_without_blur_and_noise_the_image_comes_back(scene):
    assert psnr(deconvolve(scene, identity(), 1e-9), scene) > 50


@pytest.mark.parametrize(("d_over_r0", "sigma", "gain"), [(1.5, 0.002, 4), (3.0, 0.004, 3)])
def test_a_known_blur_is_undone(scene, d_over_r0, sigma, gain):
    psf = short_exposure(d_over_r0, 1.0, 0.2, 33)
    measured = noisy(blur(scene[None], psf)[0], sigma)
    restored = deconvolve(measured, psf, sigma**2)
    assert psnr(restored, scene) > psnr(measured, scene) + gain


def test_an_uneven_psf_moves_the_light_back(scene):
    psf = torch.zeros(33, 33)
    psf[16, 16], psf[16, 20] = 0.7, 0.3
    measured = blur(scene[None], psf)[0]
    inside = (slice(8, -8), slice(8, -8))
    right, wrong = (deconvolve(measured, p, 1e-6)[inside] for p in (psf, psf.flip(1)))
    assert psnr(right, scene[inside]) > 45
    assert psnr(wrong, scene[inside]) < 25


def test_a_bright_border_does_not_ring():
    psf = short_exposure(3.0, 1.0, 0.0, 33)
    scene = torch.full((96, 96), 0.2)
    scene[:, :4] = 1.0
    scene[60:] = 0.9
    restored = deconvolve(noisy(blur(scene[None], psf)[0], 2e-3), psf, 4e-6)
    ripples = (restored - 0.2)[8:50, 16:]
    assert rms(ripples.mean(0)) < 0.005
    assert rms(ripples.mean(1)) < 0.01


def test_noise_without_detail_is_smoothed_away():
    flat = noisy(torch.full((64, 64), 0.4), 0.02)
    restored = deconvolve(flat, short_exposure(2.0, 1.0, 0.0, 33), 0.02**2)
    assert float(restored.std()) < 0.25 * float(flat.std())
    assert float(restored.mean()) == pytest.approx(0.4, abs=0.002)


def test_a_stronger_prior_gives_a_smoother_image(scene):
    psf = short_exposure(2.0, 1.0, 0.0, 33)
    measured = noisy(blur(scene[None], psf)[0], 0.01)
    variations = [
        float(deconvolve(measured, psf, 1e-4, strength).diff(dim=1).abs().mean())
        for strength in (0.3, 1.0, 3.0)
    ]
    assert variations == sorted(variations, reverse=True)


def test_brightness_is_kept(scene):
    psf = short_exposure(3.0, 1.0, 0.2, 33)
    measured = blur(scene[None], psf)[0]
    assert float(deconvolve(measured, psf, 1e-5).mean()) == pytest.approx(
        float(scene.mean()), rel=0.01
    )


@pytest.mark.parametrize("size", [(20, 31), (64, 64)])
def test_any_size_goes_in_and_comes_out(size):
    image = torch.rand(size, generator=torch.Generator().manual_seed(0))
    assert deconvolve(image, identity(33), 1e-3, iterations=4).shape == size


def test_the_same_input_gives_the_same_bytes(scene):
    psf = short_exposure(2.0, 1.0, 0.0, 33)
    assert torch.equal(deconvolve(scene, psf, 1e-4), deconvolve(scene, psf, 1e-4))


def test_what_lies_beyond_the_border_does_not_ring(monkeypatch):
    kernel = short_exposure(2.0, 1.0, 0.12, 33)
    wide = torch.full((160, 160), 0.1)
    wide[:, 123:130] = 0.8  # a pole beside the image, whose light reaches into it
    blurred = blur(wide[None], kernel[None])[0][32:122, 32:122]
    truth = wide[32:122, 32:122]

    def error(every: int) -> float:
        monkeypatch.setattr("burst.ops.blur.deconvolve.EVERY", every)
        return rms(deconvolve(blurred, kernel, 1e-8)[8:-8, 8:-8] - truth[8:-8, 8:-8])

    assert error(4) < 0.5 * error(10**6)
