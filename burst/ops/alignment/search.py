"""Find small frames on the mean of others by correlation, over all shifts and some turns."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from burst.ops.alignment.mosaic import (
    LEAST_OVERLAP,
    Mosaic,
    Poses,
    SmallFrames,
    chunks_of,
    poses_of,
)
from burst.ops.filters import fast_length
from burst.ops.warp import pixel_grid, warp, within


def search(
    small: SmallFrames, mosaic: Mosaic, turns: Sequence[complex]
) -> tuple[Poses, torch.Tensor]:
    """Return the pose of each frame at which it agrees best with a mosaic, of all shifts and the
    given `turns` (complex: turn and scale), and the rms [n] of `significance` over all shifts.

    The correlation is normalised by the pixels that both show, so that little overlap is no
    handicap (Padfield, IEEE TIP 21(5), 2012).
    """
    padded = tuple(
        fast_length(sum(sides)) for sides in zip(small.size, mosaic.image.shape, strict=True)
    )
    spectra = [_spectra(mosaic, turn, padded) for turn in turns]
    found = []
    for numbers in chunks_of(small):
        frames, counts = small.frames[numbers], small.counts[numbers]
        own = [torch.fft.rfft2(a, s=padded) for a in (frames, frames.square(), counts)]
        best = [_peak(own, spectrum, padded, small.size) for spectrum in spectra]
        scores, places, spreads = (torch.stack(values) for values in zip(*best, strict=True))
        top = scores.argmax(0)
        place, spread = (values.gather(0, top[None])[0] for values in (places, spreads))
        z = torch.tensor(list(turns), dtype=torch.complex64).to(frames.device)[top]
        t = _shift_at(place, padded, small.size, mosaic, z)
        found.append((z, t, spread))
    z, t, spread = (torch.cat(values) for values in zip(*found, strict=True))
    return poses_of(z, t), spread


def _spectra(mosaic: Mosaic, turn: complex, padded: tuple[int, ...]) -> list[torch.Tensor]:
    """Return the spectra of a mosaic turned about its middle, of its square and of its mask."""
    height, width = mosaic.image.shape
    x, y = pixel_grid(mosaic.image)
    middle = complex((width - 1) / 2, (height - 1) / 2)
    point = torch.complex(
        (x - middle.real).expand(height, width), (y - middle.imag).expand(height, width)
    )
    seen = point / turn
    across, down = seen.real + middle.real, seen.imag + middle.imag
    inside = within(across, down, (height, width))
    flow = torch.stack([across - x, down - y])[None]
    known = inside & (warp(mosaic.known[None], flow, mode="bilinear")[0] > 0.99)
    image = warp(mosaic.image[None], flow, mode="bilinear")[0] * known
    return [torch.fft.rfft2(a, s=padded).conj() for a in (image, image.square(), known.to(image))]


def _peak(
    own: Sequence[torch.Tensor],
    spectra: Sequence[torch.Tensor],
    padded: tuple[int, ...],
    size: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the best shift of frames against a mosaic: its score [n] (significance over the rms of
    significance), its place [n] and that rms [n]. Frames and mosaic are given by the spectra of
    image, square and mask."""
    frames, squares, counts = own
    image, energy, known = spectra
    overlap, both, ours, theirs = (
        torch.fft.irfft2(product, s=padded)
        for product in (counts * known, frames * image, squares * known, counts * energy)
    )
    power = ours * theirs
    floor = 1e-3 * power.amax((1, 2), keepdim=True)
    agreement = both / torch.maximum(power, floor).clamp(min=1e-30).sqrt()
    # A chance correlation falls with the root of the number of pixels.
    believed = overlap >= LEAST_OVERLAP * size[0] * size[1]
    significance = torch.where(believed, agreement * overlap.clamp(min=0).sqrt(), 0.0).flatten(1)
    spread = (significance.square().sum(1) / believed.flatten(1).sum(1).clamp(min=1)).sqrt()
    score, place = (significance / spread[:, None].clamp(min=1e-12)).max(1)
    return score, place, spread


def _shift_at(
    place: torch.Tensor,
    padded: tuple[int, ...],
    size: tuple[int, int],
    mosaic: Mosaic,
    z: torch.Tensor,
) -> torch.Tensor:
    """Return the t [n] of a pose whose turned mosaic has its pixel (0, 0) at place [n] of the
    frame."""
    down, across = place // padded[1], place % padded[1]
    across = torch.where(across >= size[1], across - padded[1], across)
    down = torch.where(down >= size[0], down - padded[0], down)
    half = complex((mosaic.image.shape[1] - 1) / 2, (mosaic.image.shape[0] - 1) / 2)
    corner = torch.complex(
        across.to(z.real) - (size[1] - 1) / 2, down.to(z.real) - (size[0] - 1) / 2
    )
    return corner - z * (mosaic.origin + half) + half
