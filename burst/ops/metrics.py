"""How close an image comes to the truth; one definition of each metric."""

from __future__ import annotations

import math

import skimage
import torch

# px, of the Gaussian window of Wang et al., IEEE Trans. Image Process. 13, 600 (2004)
SSIM_SIGMA = 1.5
MOST_RINGS = 48  # of frequencies up to Nyquist's
FIRST_RING = 2  # in lower rings the window dominates


def psnr(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of an image [h, w]; white is 1."""
    error = float((image.double() - truth.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the structural similarity of an image [h, w], with Gaussian windows; white is 1."""
    # As in the paper: weights of a Gaussian, and variances without Bessel's correction.
    window = {"gaussian_weights": True, "sigma": SSIM_SIGMA, "use_sample_covariance": False}
    both = (one.double().cpu().numpy() for one in (image, truth))
    return float(skimage.metrics.structural_similarity(*both, data_range=1.0, **window))


def mtf50(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the frequency (cycles per pixel) at which half of the truth's contrast is left.

    The MTF of an image [h, w] is its cross spectrum with the truth over the truth's power, in rings
    of equal frequency; noise and invented detail do not contribute. At most 0.5, the Nyquist
    frequency.
    """
    h, w = truth.shape
    rings = max(FIRST_RING, min(MOST_RINGS, min(h, w) // 4))
    window = torch.outer(torch.hann_window(h), torch.hann_window(w)).double().to(truth.device)
    seen, wanted = (
        torch.fft.rfft2((x.double() - x.double().mean()) * window) for x in (image, truth)
    )
    frequency = torch.hypot(torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)).to(truth.device)
    ring = (frequency * 2 * rings).round().long().flatten()
    inside = ring <= rings

    def over_rings(values: torch.Tensor) -> torch.Tensor:
        total = values.new_zeros(rings + 1)
        return total.index_add_(0, ring[inside], values.flatten()[inside])

    cross, power = over_rings((wanted.conj() * seen).real), over_rings(wanted.abs().square())
    transfer = (cross / power.clamp(min=1e-20)).tolist()
    for i in range(FIRST_RING, rings + 1):
        if transfer[i] < 0.5:
            fall = transfer[i - 1] - transfer[i]
            part = (transfer[i - 1] - 0.5) / fall if fall > 0 else 0.0
            return max(0.0, (i - 1 + part) / (2 * rings))
    return 0.5
