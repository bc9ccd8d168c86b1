"""How far a restoration may go before the frames speak against it."""

from __future__ import annotations

import torch

from burst.ops.blur.psf import blur

SURE = 3.0  # deviations beyond which a value is not noise
SATURATED = 1e-3  # share of the image from which on white says nothing


def outside(image: torch.Tensor, merged: torch.Tensor, noise_std: float) -> float:
    """Return the share of an image [h, w] that lies where no light can, below black or above white
    (0 and 1), and the merged one [h, w] does not: too wide a PSF rings beyond both.

    Where the merged image is saturated, nobody knows how bright it was, and white is no end.
    """
    margin = SURE * noise_std
    dark = (image < -margin) & (merged >= -margin)
    share = float(dark.float().mean())
    if float((merged > 1 - margin).float().mean()) > SATURATED:
        return share
    return max(share, float((image > 1 + margin).float().mean()))


def unexplained(correction: torch.Tensor, psf: torch.Tensor, noise_std: float) -> float:
    """Return the rms of a correction [h, w] seen through the PSF [k, k], in deviations of the
    merged image's noise.

    What a PSF lets through was in the merged image already: only noise of it was to be corrected.
    """
    half = psf.shape[-1] // 2
    if min(correction.shape) <= half:
        return 0.0
    seen = blur(correction[None], psf[None])[0]
    return float(seen.square().mean().sqrt()) / max(noise_std, 1e-12)
