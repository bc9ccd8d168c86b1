"""PSFs carry all light, follow diffraction, and blur as a convolution does."""

import math

import pytest
import torch

from burst.ops.blur.psf import (
    blur,
    crop_kernel,
    equivalent_sigma,
    mean_otf,
    normalise,
    psf_from_zernike,
    radial_kernel,
    radial_mean,
    resampled,
    short_exposure,
    smear,
    soften,
    transfer_function,
)
from burst.ops.turbulence.zernike import noll_covariance
from burst.ops.warp import warp


def gaussian(sigma: float, size: int = 33) -> torch.Tensor:
    """Return a Gaussian kernel [k, k]."""
    x = torch.arange(size) - size // 2
    row = torch.exp(-(x**2) / (2 * sigma**2))
    return normalise(torch.outer(row, row))


def wavefronts(count: int, d_over_r0: float) -> torch.Tensor:
    """Draw wavefronts [count, 33] of Noll's statistics, modes 4 to 36."""
    draw = torch.randn(count, 33, generator=torch.Generator().manual_seed(0))
    mixing = torch.linalg.cholesky(torch.from_numpy(noll_covariance(4, 36))).float()
    return draw @ mixing.T * d_over_r0 ** (5 / 6)


def circular_mtf(frequency: torch.Tensor) -> torch.Tensor:
    """Return the MTF of a clear circular aperture; frequency in units of D / lambda."""
    nu = frequency.clamp(0, 1)
    return 2 / math.pi * (nu.acos() - nu * (1 - nu**2).sqrt())


@pytest.mark.parametrize("sampling", [0.6, 1.0])
@pytest.mark.parametrize("d_over_r0", [0.0, 2.0, 6.0])
def test_psfs_sum_to_one_and_are_nowhere_negative(sampling, d_over_r0):
    psf = psf_from_zernike(wavefronts(8, d_over_r0), sampling, 33)
    torch.testing.assert_close(psf.sum((1, 2)), torch.ones(8))
    assert float(psf.min()) >= 0


@pytest.mark.parametrize("sampling", [0.5, 1.0])
def test_a_flat_wavefront_is_limited_by_diffraction(sampling):
    psf = psf_from_zernike(torch.zeros(1, 33), sampling, 63)
    mtf = transfer_function(psf, (64, 64))[0, 0, :33].abs()
    # Nyquist sampling (1) puts the cutoff D / lambda at half a cycle per pixel.
    expected = circular_mtf(torch.arange(33) / 64 * 2 / sampling)
    torch.testing.assert_close(mtf, expected, atol=0.02, rtol=0)


def test_a_flat_wavefront_is_centred_and_symmetric():
    psf = psf_from_zernike(torch.zeros(1, 33), 1.0, 33)[0]
    assert divmod(int(psf.argmax()), 33) == (16, 16)
    torch.testing.assert_close(psf, psf.flip(0, 1), atol=1e-6, rtol=0)


def test_turbulence_widens_the_psf():
    sigmas = [equivalent_sigma(short_exposure(d, 1.0, 0.0, 33)) for d in (0.5, 1.5, 3.0, 6.0)]
    assert sigmas == sorted(sigmas)
    assert sigmas[-1] > 2 * sigmas[0]


def test_the_short_exposure_is_the_mean_of_simulated_psfs():
    simulated = psf_from_zernike(wavefronts(500, 3.0), 1.0, 33).mean(0)
    theory = short_exposure(3.0, 1.0, 0.0, 33)
    assert equivalent_sigma(theory) == pytest.approx(equivalent_sigma(simulated), rel=0.03)


def test_residual_jitter_multiplies_the_otf_by_a_gaussian():
    still, shaken = (short_exposure(2.0, 1.0, jitter, 33) for jitter in (0.0, 0.8))
    ratio = (
        transfer_function(shaken, (64, 64))[0].abs() / transfer_function(still, (64, 64))[0].abs()
    )
    frequency = torch.arange(13) / 64
    expected = (-2 * (math.pi * frequency * 0.8) ** 2).exp()
    torch.testing.assert_close(ratio[:13], expected, atol=0.03, rtol=0)


def test_the_mean_otf_starts_at_one_and_is_below_its_mean_square():
    otf, square = mean_otf(3.0, 1.0)
    assert float(otf[0]) == pytest.approx(1, abs=1e-4)
    assert bool((otf**2 <= square + 1e-5).all())
    assert float(otf[8]) < float(mean_otf(1.0, 1.0)[0][8])


@pytest.mark.parametrize("sigma", [1.0, 1.7, 3.0])
def test_equivalent_sigma_of_a_gaussian_is_its_own(sigma):
    assert equivalent_sigma(gaussian(sigma)) == pytest.approx(sigma, rel=0.01)


def test_blur_of_a_constant_is_the_constant():
    frames = torch.full((2, 40, 50), 0.3)
    torch.testing.assert_close(blur(frames, gaussian(2.0, 17)), frames, atol=1e-5, rtol=0)


def test_blur_is_convolution_not_correlation():
    kernel = torch.zeros(5, 5)
    kernel[2, 4] = 1  # light goes two pixels to the right
    frames = torch.zeros(1, 16, 16)
    frames[0, 8, 8] = 1
    moved = blur(frames, kernel)
    assert float(moved[0, 8, 10]) == pytest.approx(1, abs=1e-5)
    assert float(moved.sum()) == pytest.approx(1, abs=1e-4)


def test_each_frame_has_its_own_psf():
    frames = torch.rand(2, 20, 20, generator=torch.Generator().manual_seed(0))
    kernels = torch.stack([gaussian(0.7, 9), gaussian(2.0, 9)])
    both = blur(frames, kernels)
    torch.testing.assert_close(both[1:], blur(frames[1:], kernels[1]))


def test_blur_is_its_own_adjoint_for_a_symmetric_kernel():
    draw = torch.Generator().manual_seed(0)
    one, two = torch.rand(2, 1, 32, 32, generator=draw)
    inside = torch.zeros(1, 32, 32)
    inside[:, 8:-8, 8:-8] = 1
    kernel = gaussian(1.5, 9)
    left = (blur(one * inside, kernel) * two * inside).sum()
    right = (one * inside * blur(two * inside, kernel)).sum()
    torch.testing.assert_close(left, right)


@pytest.mark.parametrize("motion", [(0.0, 0.0), (3.0, 0.0), (0.0, -4.0), (3.0, 4.0)])
def test_smear_adds_a_twelfth_of_the_square_of_the_motion(motion):
    still = gaussian(2.0)
    moved = smear(still, torch.tensor([motion]))[0]
    x = torch.arange(33.0) - 16

    def moments(psf: torch.Tensor) -> torch.Tensor:
        """Return the second moments along x and y, px^2."""
        return torch.stack([(psf.sum(0) * x**2).sum(), (psf.sum(1) * x**2).sum()])

    expected = torch.tensor(motion).square() / 12
    torch.testing.assert_close(moments(moved) - moments(still), expected, atol=0.02, rtol=0)
    assert float(moved.sum()) == pytest.approx(1, abs=1e-5)


def test_a_radial_profile_there_and_back():
    frequency = torch.arange(32) / 64
    profile = (-2 * (math.pi * frequency * 1.5) ** 2).exp()
    kernel = radial_kernel(profile, 33)
    assert equivalent_sigma(kernel) == pytest.approx(1.5, rel=0.01)
    padded = torch.fft.fft2(torch.nn.functional.pad(kernel, (15, 16, 15, 16)))
    torch.testing.assert_close(radial_mean(padded.abs()), profile, atol=0.02, rtol=0)


def test_the_radial_mean_of_a_constant_is_the_constant():
    torch.testing.assert_close(radial_mean(torch.full((16, 16), 2.5)), torch.full((8,), 2.5))


def test_the_transfer_function_of_a_centred_kernel_is_real():
    transfer = transfer_function(gaussian(1.5, 9), (20, 24))
    assert transfer.shape == (20, 13)
    assert float(transfer.imag.abs().max()) < 1e-6
    assert float(transfer[0, 0].real) == pytest.approx(1, abs=1e-6)


def test_cropping_keeps_the_centre():
    kernels = torch.zeros(1, 16, 16)
    kernels[0, 8, 8] = 1
    assert float(crop_kernel(kernels, 7)[0, 3, 3]) == 1


def test_many_psfs_are_made_few_at_a_time(monkeypatch):
    motion = torch.linspace(0, 3, 20).reshape(10, 2)
    whole = smear(gaussian(1.5), motion)
    softer = soften(whole, 0.5)
    monkeypatch.setattr("burst.ops.blur.psf.TOGETHER", 3)
    assert torch.equal(smear(gaussian(1.5), motion), whole)
    assert torch.equal(soften(whole, 0.5), softer)


def test_what_bicubic_samples_blur_is_what_they_leave_of_a_wave():
    draw = torch.Generator().manual_seed(0)
    shifts = 3 * torch.randn((60, 2, 1, 1), generator=draw)
    psf = torch.zeros(60, 33, 33)
    psf[:, 16, 16] = 1
    x, y = torch.arange(96.0), torch.arange(96.0)[:, None]
    for fx, fy in ((0.2, 0.0), (0.375, 0.0), (0.25, 0.375)):
        scene = torch.cos(2 * math.pi * (fx * (x - shifts[:, 0]) + fy * (y - shifts[:, 1])))
        left = warp(scene, shifts.expand(-1, -1, 96, 96)).mean(0)
        wave = torch.cos(2 * math.pi * (fx * x + fy * y))
        part = (left * wave)[16:-16, 16:-16].mean() / wave.square()[16:-16, 16:-16].mean()
        kernel = resampled(psf, shifts.expand(-1, -1, 96, 96))[0]
        waves = torch.cos(2 * math.pi * (fx * (x[:33] - 16) + fy * (y[:33] - 16)))
        jitter = math.exp(-2 * (math.pi * 0.12) ** 2 * (fx**2 + fy**2))
        assert float((kernel * waves).sum()) == pytest.approx(float(part) * jitter, abs=0.03)


def test_frames_that_lie_on_the_grid_are_not_blurred_by_registration():
    psf, whole = (
        gaussian(1.5).expand(3, -1, -1),
        torch.tensor([[0.0, 2.0], [-3.0, 1.0], [5.0, 0.0]]),
    )
    assert resampled(psf, whole[:, :, None, None].expand(-1, -1, 40, 40)) is psf
