"""Sharpness of frames and tiles that noise cannot fake."""

from __future__ import annotations

import torch
from torch.nn import functional

from burst.ops.chunks import frames_at_once
from burst.ops.gains import noise_of_frames, recorded_noise
from burst.records import NoiseModel

# Fourth binomial minus eighth binomial row: a pass band around a sixth of a cycle per pixel, which
# blur takes first and in which a scene still has light.
FINE = (1.0, 4.0, 6.0, 4.0, 1.0)
COARSE = (1.0, 8.0, 28.0, 56.0, 70.0, 56.0, 28.0, 8.0, 1.0)


def tile_sharpness(
    frames: torch.Tensor, noise: NoiseModel, tile: int, recorded: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the noise-free band-pass energy [n, ty, tx] of frames [n, h, w] in tiles.

    The energy that the noise model predicts for the band is subtracted. Never below zero. The noise
    is that of frames that were divided by the gain [n] with which they were `recorded`, if it is
    given.
    """
    shot, read = _noise_of(frames, noise, recorded)
    fine, coarse = _kernel(FINE, len(COARSE), frames), _kernel(COARSE, len(COARSE), frames)
    gain = float((torch.outer(fine, fine) - torch.outer(coarse, coarse)).square().sum())
    size = min(tile, frames.shape[1], frames.shape[2])
    result = []
    at_once = frames_at_once(frames)
    pieces = (frames.split(at_once), shot.split(at_once), read.split(at_once))
    for chunk, by_light, always in zip(*pieces, strict=True):
        band = _separable(chunk, fine) - _separable(chunk, coarse)
        expected = gain * (by_light * chunk.clamp(min=0) + always)
        result.append(functional.avg_pool2d((band.square() - expected)[:, None], size)[:, 0])
    return torch.cat(result).clamp(min=0)


def _noise_of(
    frames: torch.Tensor, noise: NoiseModel, recorded: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shot and read variance [n, 1, 1] of each frame."""
    if recorded is None or bool((recorded == 1).all()):
        alike = torch.ones_like(frames[:, :1, :1])
        return alike * noise.shot, alike * noise.read
    gain = recorded.to(frames)[:, None, None]
    shot, read, _ = noise_of_frames(recorded_noise(noise, gain), gain)
    return shot, read


def _kernel(row: tuple[float, ...], length: int, like: torch.Tensor) -> torch.Tensor:
    """Return a normalised row of binomials, padded to a length."""
    values = torch.tensor(row, dtype=like.dtype, device=like.device)
    margin = (length - len(row)) // 2
    return functional.pad(values / values.sum(), (margin, margin))


def _separable(frames: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    reach = len(kernel) // 2
    padded = functional.pad(frames[:, None], (reach,) * 4, mode="reflect")
    across = functional.conv2d(padded, kernel[None, None, None, :])
    return functional.conv2d(across, kernel[None, None, :, None])[:, 0]
