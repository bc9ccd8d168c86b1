"""Point spread functions: from wavefronts, of apertures and motion; and convolution with them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from einops import rearrange

from burst.ops.blocks import whole
from burst.ops.turbulence.zernike import FIRST_HIGHER, noll_covariance, zernike

PUPIL_GRID = 64
TOGETHER = 256  # PSFs that are transformed at a time, which takes 20 times their memory
ROUNDING = 1e-6  # of a transfer function, below which its values are those of rounding
# Of resampling: the slope of torch's bicubic kernel; how finely its phase counts, in parts of a px;
# px between samples of the motion; the motion that registration leaves (px rms); what is undone at
# most, along an axis; and above what frames lie on the grid, so that nothing blurs them.
CUBIC, PHASES, APART, LEFT, LEAST_PASSED, ON_GRID = -0.75, 32, 16, 0.12, 0.3, 0.999


def psf_from_zernike(coefficients: torch.Tensor, sampling: float, size: int) -> torch.Tensor:
    """Return PSFs [m, k, k] of wavefronts given by Noll modes 4.. [m, modes], in rad.

    |FFT{P exp(i sum a_j Z_j)}|^2, cut to k = size, which is odd, and normalised to sum 1.
    """
    return normalise(crop_kernel(_intensity(coefficients, sampling), size))


@lru_cache(maxsize=64)
def mean_otf(
    d_over_r0: float, sampling: float, draws: int = 400, modes: int = 36
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return |E[H]| and E[|H|^2] of the tilt-free short exposure, each [32] radial means.

    Entry i belongs to i / 64 cycles per pixel. Drawn from Noll's statistics with a fixed seed.
    """
    draw = torch.Generator().manual_seed(draws)
    mixing = np.linalg.cholesky(noll_covariance(FIRST_HIGHER, modes)) * d_over_r0 ** (5 / 6)
    white = torch.randn((draws, mixing.shape[0]), generator=draw)
    otf = torch.fft.rfft2(
        normalise(_intensity(white @ torch.from_numpy(mixing).float().T, sampling))
    )
    square = (otf.real.square() + otf.imag.square()).mean(0)
    # The other half mirrors this one, in the same rings.
    whole = [*range(otf.shape[-1]), *range(otf.shape[-1] - 2, 0, -1)]
    return radial_mean(otf.mean(0).abs()[:, whole]), radial_mean(square[:, whole])


def short_exposure(d_over_r0: float, sampling: float, jitter: float, size: int) -> torch.Tensor:
    """Return the mean PSF [k, k] of frames freed of tilt but for a jitter of so many px rms."""
    profile, _ = mean_otf(d_over_r0, sampling)
    frequency = torch.arange(len(profile)) / (2 * len(profile))
    return radial_kernel(profile * (-2 * (math.pi * frequency * jitter) ** 2).exp(), size)


def smear(psf: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
    """Return PSFs [n, k, k]: psf [k, k] moved steadily by motion [n, 2] (dx, dy) px."""
    transfer, fx, fy = padded_transfer(psf)

    def smeared(motion: torch.Tensor) -> torch.Tensor:
        phase = motion[:, 0, None, None] * fx + motion[:, 1, None, None] * fy
        return normalise(kernel_of(transfer * torch.sinc(phase), psf.shape[-1]).clamp(min=0))

    return torch.cat([smeared(part) for part in motion.split(TOGETHER)])


def soften(psf: torch.Tensor, power: float) -> torch.Tensor:
    """Return PSFs [..., k, k] whose transfer function is that of psf to a power: 1 leaves them as
    they are, 0 leaves no blur."""
    if psf.dim() > 2 and len(psf) > TOGETHER:
        return torch.cat([soften(part, power) for part in psf.split(TOGETHER)])
    transfer, _, _ = padded_transfer(psf)
    size = transfer.abs()
    # Of what is lost in rounding the sign is chance.
    sign = torch.where((size > ROUNDING) & (power > 0), transfer / size, 1)
    return normalise(kernel_of(sign * size.clamp(min=ROUNDING) ** power, psf.shape[-1]))


def resampled(psfs: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """Return PSFs [n, k, k] with what registration adds to them by displacements [n, 2, h, w]: the
    bicubic samples, and motion that it leaves. Where frames lie on the grid nothing is added."""
    offsets = whole(displacement[:, :, ::APART, ::APART]).cpu().transpose(0, 1)
    _, fx, fy = padded_transfer(psfs[:1])
    across, down = (_sampled(axis, f.cpu()) for axis, f in zip(offsets, (fx, fy), strict=True))
    if min(float(across.min()), float(down.min())) > ON_GRID:
        return psfs
    passed = (across.clamp(min=LEAST_PASSED) * down.clamp(min=LEAST_PASSED)).to(psfs)
    passed = passed * (-2 * (math.pi * LEFT) ** 2 * (fx.square() + fy.square())).exp()
    parts = [padded_transfer(part)[0] * passed for part in psfs.split(TOGETHER)]
    return torch.cat([normalise(kernel_of(part, psfs.shape[-1])) for part in parts])


def _sampled(offsets: torch.Tensor, frequency: torch.Tensor) -> torch.Tensor:
    """Return the mean transfer function, at frequencies of any shape in cycles per pixel, of
    bicubic samples (Keys, IEEE TASSP 29, 1153, 1981) at offsets of any shape in px."""
    phase = (offsets.flatten().frac() * PHASES).round().long() % PHASES
    share = torch.bincount(phase, minlength=PHASES) / len(phase)
    places = torch.arange(-1, 3) - torch.arange(PHASES)[:, None] / PHASES
    d = places.abs()
    near = ((CUBIC + 2) * d - (CUBIC + 3)) * d.square() + 1
    far = ((CUBIC * d - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC
    weight = share[:, None] * torch.where(d <= 1, near, far)
    return (weight * torch.cos(2 * math.pi * frequency[..., None, None] * places)).sum((-2, -1))


def gather(psfs: torch.Tensor, side: float) -> torch.Tensor:
    """Return what square pixels of a side in px gather of light with PSFs [..., k, k]."""
    transfer, fx, fy = padded_transfer(psfs)
    return kernel_of(transfer * torch.sinc(side * fx) * torch.sinc(side * fy), psfs.shape[-1])


def padded_transfer(psfs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the transfer functions [..., s, s // 2 + 1] of PSFs [..., k, k] with room for wider
    ones, s = 2 k + 2, and their frequencies [s // 2 + 1] and [s, 1] in cycles per pixel."""
    size = 2 * psfs.shape[-1] + 2
    fx = torch.fft.rfftfreq(size, device=psfs.device)
    fy = torch.fft.fftfreq(size, device=psfs.device)[:, None]
    return transfer_function(psfs, (size, size)), fx, fy


def kernel_of(transfer: torch.Tensor, size: int) -> torch.Tensor:
    """Return kernels [..., k, k] of transfer functions [..., s, s // 2 + 1], cut to k = size."""
    side = transfer.shape[-2]
    kernels = torch.fft.fftshift(torch.fft.irfft2(transfer, s=(side, side)), dim=(-2, -1))
    return crop_kernel(kernels, size)


def radial_mean(spectrum: torch.Tensor) -> torch.Tensor:
    """Average a spectrum [s, s] (zero frequency first) over rings one bin wide -> [s / 2]."""
    size = spectrum.shape[-1]
    f = torch.fft.fftfreq(size, 1 / size)
    ring = torch.hypot(f[:, None], f[None, :]).round().long().flatten()
    inside = ring < size // 2
    total = torch.zeros(size // 2, dtype=spectrum.dtype).index_add_(
        0, ring[inside], spectrum.flatten()[inside]
    )
    return total / torch.bincount(ring[inside])


def radial_kernel(profile: torch.Tensor, size: int) -> torch.Tensor:
    """Return the kernel [k, k] whose transfer function is the radial `profile` [m] to Nyquist."""
    bins = 2 * profile.shape[0]
    f = torch.fft.fftfreq(bins, 1 / bins)
    radius = torch.hypot(f[:, None], f[None, :]).numpy()
    # The corners lie beyond Nyquist; an undersampled image has light there too.
    values = np.interp(radius, np.arange(profile.shape[0]), profile.numpy())
    kernel = torch.fft.fftshift(torch.fft.ifft2(torch.from_numpy(values)).real)
    return normalise(crop_kernel(kernel[None].clamp(min=0), size))[0].float()


def normalise(kernels: torch.Tensor) -> torch.Tensor:
    """Scale kernels [..., k, k] to sum 1."""
    return kernels / kernels.sum(dim=(-2, -1), keepdim=True)


def crop_kernel(kernels: torch.Tensor, size: int) -> torch.Tensor:
    """Cut centred kernels [..., s, s], s even with its centre at s // 2, to odd size k."""
    start = kernels.shape[-1] // 2 - size // 2
    return kernels[..., start : start + size, start : start + size]


def equivalent_sigma(psf: torch.Tensor) -> float:
    """Return the sigma (px) of the Gaussian with the same sum of squares as the PSF [k, k]."""
    return float(1 / torch.sqrt(4 * math.pi * (psf.cpu().double() ** 2).sum()))


def transfer_function(psf: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return rfft2 [..., h, w // 2 + 1] of centred kernels [..., k, k], k odd, at size (h, w)."""
    k = psf.shape[-1]
    padded = psf.new_zeros((*psf.shape[:-2], *size))
    padded[..., :k, :k] = psf
    centred = torch.roll(padded, (-(k // 2), -(k // 2)), dims=(-2, -1))
    transfer: torch.Tensor = torch.fft.rfft2(centred)
    return transfer


def blur(frames: torch.Tensor, psf: torch.Tensor) -> torch.Tensor:
    """Convolve each frame [n, h, w] with its own PSF [n, k, k] (or one for all); edges reflect."""
    margin = psf.shape[-1] // 2
    padded = torch.nn.functional.pad(
        rearrange(frames, "n h w -> n 1 h w"), (margin,) * 4, mode="reflect"
    )[:, 0]
    size = (padded.shape[-2], padded.shape[-1])
    spectrum = torch.fft.rfft2(padded) * transfer_function(psf, size)
    blurred: torch.Tensor = torch.fft.irfft2(spectrum, s=size)
    return blurred[:, margin:-margin, margin:-margin]


def _intensity(coefficients: torch.Tensor, sampling: float) -> torch.Tensor:
    """Return unnormalised centred PSFs [m, 64, 64] of wavefronts [m, modes]."""
    basis, inside = _pupil(coefficients.shape[1], sampling)
    basis, inside = basis.to(coefficients.device), inside.to(coefficients.device)
    pupil = torch.zeros(
        (coefficients.shape[0], PUPIL_GRID**2), dtype=torch.complex64, device=coefficients.device
    )
    phase = coefficients @ basis
    pupil[:, inside] = torch.complex(phase.cos(), phase.sin())
    field = torch.fft.fft2(rearrange(pupil, "m (y x) -> m y x", y=PUPIL_GRID))
    intensity = field.real.square() + field.imag.square()
    centred: torch.Tensor = torch.fft.fftshift(intensity, dim=(-2, -1))
    return centred


@lru_cache(maxsize=16)
def _pupil(modes: int, sampling: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return modes 4.. on the pupil's samples [modes, p] and where these lie in the grid [p]."""
    centre = (PUPIL_GRID - 1) / 2
    y, x = (np.mgrid[:PUPIL_GRID, :PUPIL_GRID] - centre) / (PUPIL_GRID * sampling / 4)
    rho, theta = np.hypot(x, y).ravel(), np.arctan2(y, x).ravel()
    inside = np.flatnonzero(rho <= 1)
    basis = np.stack(
        [zernike(j, rho[inside], theta[inside]) for j in range(FIRST_HIGHER, FIRST_HIGHER + modes)]
    )
    return torch.from_numpy(basis).float(), torch.from_numpy(inside)
