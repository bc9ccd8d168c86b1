"""How close an image comes to the truth; one definition of each metric."""

from __future__ import annotations

import math

import torch

SSIM_SIGMA = (
    1.5  # px, of the Gaussian window of Wang et al., IEEE Trans. Image Process. 13, 600 (2004)
)


def psnr(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of an image [h, w]; white is 1."""
    error = float((image.double() - truth.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the structural similarity of an image [h, w], with Gaussian windows; white is 1."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            image.double().cpu().numpy(),
            truth.double().cpu().numpy(),
            data_range=1.0,
            gaussian_weights=True,
            sigma=SSIM_SIGMA,
            use_sample_covariance=False,
        )
    )
