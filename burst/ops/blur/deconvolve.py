"""Non-blind deconvolution with total variation, its strength set by the noise and by the image.

min_x |H x - y|^2 / (2 noise) + sum |grad x| / scale, solved by the split Bregman method (Goldstein
and Osher, SIAM J. Imaging Sci. 2, 323, 2009). 1 / scale is the rate of a Laplacian prior of
gradients; `scale` is their mean size and is measured on the image while it comes out. All constants
are shares of the image's contrast, so that a faint scene is restored like a strong one.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from burst.ops.blur.psf import transfer_function
from burst.ops.filters import fast_length
from burst.progress import counted

# By how much split gradients shrink, as a share of the contrast: sets the speed, not the result.
THRESHOLD = 0.3
LEARNING_ROUNDS = (8, 20, 32)  # iterations after which the gradients' scale is measured again
EVERY = 4  # iterations after which the margin is made anew; of 2, .02 dB more and a fifth longer
# The scale starts here and only grows: what a strong prior has flattened asks for a stronger one.
LEAST_SCALE = 0.28


def deconvolve(
    blurred: torch.Tensor,
    psf: torch.Tensor,
    noise_variance: float,
    strength: float = 1.0,
    iterations: int = 48,
) -> torch.Tensor:
    """Return the image [h, w] that blurred [h, w] came from through psf [k, k].

    The image is mirrored into a margin of twice the PSF's reach. What lies there has sent light
    into the image but was not seen itself: the margin becomes, step by step, what the image so far
    makes of it (as in Almeida and Figueiredo, IEEE TIP 22, 3074, 2013), so that borders do not
    ring.
    """
    h, w = blurred.shape
    padded, top, left = _pad(blurred, psf.shape[-1])
    size = (padded.shape[0], padded.shape[1])
    transfer = transfer_function(psf, size)
    steps = _differences(size, padded)
    back = steps.conj().resolve_conj()
    laplacian, passed = (steps.abs() ** 2).sum(0), transfer.abs() ** 2
    inside = (slice(top, top + h), slice(left, left + w))
    data = transfer.conj() * torch.fft.rfft2(padded)
    gradients = torch.fft.irfft2(steps * torch.fft.rfft2(padded), s=size)
    memory = torch.zeros_like(gradients)
    contrast = max(float(blurred.std()), 1e-6)
    threshold, least_scale = THRESHOLD * contrast, LEAST_SCALE * contrast
    rate = strength / least_scale
    spectrum = None
    for i in counted(range(iterations), "deconvolve: rounds"):
        if i in LEARNING_ROUNDS:
            learned = strength / max(float(_length(gradients).mean()), least_scale)
            memory *= rate / learned  # the multiplier of the split is in units of the rate
            rate = learned
        # In place: of large images these arrays are most of the memory that a run takes.
        gradients.add_(memory)
        split = _shrink(gradients, threshold)
        torch.sub(gradients, split, out=memory)
        coupling = noise_variance * rate / threshold
        sides = torch.fft.rfft2(split.sub_(memory))
        del split
        right = data + coupling * torch.mul(back, sides, out=sides).sum(0)
        del sides
        spectrum = right.div_(passed + coupling * laplacian + 1e-12)
        if i % EVERY == EVERY - 1:
            # Nobody has seen the margin: it is what the image so far says of it.
            guessed = torch.fft.irfft2(transfer * spectrum, s=size)
            guessed[inside] = blurred
            data = transfer.conj() * torch.fft.rfft2(guessed)
        torch.fft.irfft2(steps * spectrum, s=size, out=gradients)
    image = padded if spectrum is None else torch.fft.irfft2(spectrum, s=size)
    restored: torch.Tensor = image[inside]
    return restored.contiguous()


def _shrink(vectors: torch.Tensor, threshold: float) -> torch.Tensor:
    """Shorten vectors [2, h, w] by a threshold."""
    length = _length(vectors).clamp(min=1e-12)
    return vectors * ((length - threshold).clamp(min=0) / length)


def _length(vectors: torch.Tensor) -> torch.Tensor:
    """Return the lengths [h, w] of vectors [2, h, w]; a norm over the first axis is slow."""
    return (vectors[0].square() + vectors[1].square()).sqrt()


def _differences(size: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
    """Return the transfer functions [2, h, w // 2 + 1] of forward differences along x and y."""
    kernels = torch.zeros((2, *size), dtype=like.dtype, device=like.device)
    kernels[:, 0, 0] = -1
    kernels[0, 0, -1] = 1
    kernels[1, -1, 0] = 1
    transfer: torch.Tensor = torch.fft.rfft2(kernels)
    return transfer


def _pad(image: torch.Tensor, reach: int) -> tuple[torch.Tensor, int, int]:
    """Mirror an image [h, w] into a margin, up to a size that transforms fast; and the margins."""
    margins = []
    for length in (image.shape[1], image.shape[0]):
        margin = min(reach, length - 1)
        extra = fast_length(length + 2 * margin) - length
        before = min(extra // 2, length - 1)
        margins += [before, min(extra - before, length - 1)]
    padded = functional.pad(image[None, None], tuple(margins), mode="reflect")[0, 0]
    return padded, margins[2], margins[0]
