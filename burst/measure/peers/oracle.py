"""The best result of a linear method that knows the truth, with which all results are compared.

The fair oracle knows each frame's displacement, less the mean over the frames, which no stack
determines. It averages the aligned frames and applies a Wiener filter with the true mean PSF and
the noise-to-signal ratio that scores best. Defects are replaced and the bias of a clipped black is
removed as in the pipeline, with the measured noise. The full oracle also knows the mean
displacement.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from burst.data.turbulence import Truth
from burst.measure.scores import score
from burst.ops.alignment.registration import aligned_mean, recentre
from burst.ops.blur.psf import transfer_function
from burst.ops.noise import lowest_linear, undo_clipping
from burst.ops.warp import compose
from burst.records import Burst, given

RATIOS = tuple(10 ** (-4 + 0.25 * i) for i in range(13))  # noise to signal, 1e-4 to 0.1
MARGINS = 2  # reflected margin, in radii of the PSF, against ringing at the borders


def fair_oracle(burst: Burst, truth: Truth) -> torch.Tensor:
    """Return the image [h, w] of a burst, restored without the mean displacement."""
    return _restore(burst, recentre(displacement_of(burst, truth)), truth)


def full_oracle(burst: Burst, truth: Truth) -> torch.Tensor:
    """Return the image [h, w] of a burst, restored with all displacements."""
    return _restore(burst, displacement_of(burst, truth), truth)


def displacement_of(burst: Burst, truth: Truth) -> torch.Tensor:
    """Return the true displacement [m, 2, h, w] px of the frames that are used."""
    known = truth.of_frames(burst.kept)
    return compose(known.flow, known.row_motion)


ORACLES: dict[str, Callable[[Burst, Truth], torch.Tensor]] = {
    "oracle": fair_oracle,
    "oracle with mean displacement": full_oracle,
}


def wiener(blurred: torch.Tensor, psf: torch.Tensor, ratio: float) -> torch.Tensor:
    """Deconvolve an image [h, w] by psf [k, k] with a Wiener filter. `ratio` is the power of noise
    over that of the image, the same at all frequencies."""
    h, w = blurred.shape
    margin = min(MARGINS * (psf.shape[-1] // 2), h - 1, w - 1)
    padded = functional.pad(blurred[None, None], (margin,) * 4, mode="reflect")[0, 0]
    size = (padded.shape[0], padded.shape[1])
    transfer = transfer_function(psf, size)
    spectrum = torch.fft.rfft2(padded) * transfer.conj() / (transfer.abs() ** 2 + ratio)
    # Keeps the mean of the image unchanged for any ratio.
    image: torch.Tensor = torch.fft.irfft2(spectrum, s=size) * (1 + ratio)
    return image[margin : margin + h, margin : margin + w].contiguous()


def _restore(burst: Burst, displacement: torch.Tensor, truth: Truth) -> torch.Tensor:
    linear, noise = given(burst.linear), given(burst.noise)
    mean = aligned_mean(linear, displacement, torch.ones(len(linear)))
    merged = undo_clipping(mean, noise, lowest_linear(burst.stack.sensor))
    psf = truth.psf.mean(0)
    images = [wiener(merged, psf, ratio) for ratio in RATIOS]
    return max(images, key=lambda image: score(image, truth.scene).psnr)
