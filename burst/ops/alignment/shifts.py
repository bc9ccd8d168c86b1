"""Shifts of whole frames against each other, by phase correlation."""

from __future__ import annotations

import torch
from einops import rearrange

from burst.ops.alignment.grid import bin_frames
from burst.ops.alignment.registration import aligned_mean
from burst.ops.blocks import kept_beside
from burst.ops.chunks import frames_at_once, in_chunks
from burst.ops.flow import fill_frames
from burst.ops.reductions import joined
from burst.ops.vertex import vertex

BINNING, SHORTEST_BINNED = 2, 128  # px
LOW_PASS = 0.08  # cycles per pixel of the frame
CLEAR_PEAK = 9.0  # standard deviations of the correlation; noise alone reaches 6


def global_shifts(
    frames: torch.Tensor, key: int, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the shift [n, 2] of each frame [n, h, w] against frame `key`, by phase correlation.

    Frames are correlated with frame `key`, which finds any drift, then with the mean of the frames
    so shifted, which is less noisy. A peak that does not stand out of the correlation's noise gives
    no shift. Values that are not `valid` [n, h, w] are filled from their surroundings.
    """
    # Only low frequencies are correlated, so a quarter of the pixels is enough.
    binning = BINNING if min(frames.shape[-2:]) >= SHORTEST_BINNED else 1
    if valid is None:
        frames = bin_frames(frames, binning)
    else:
        frames = in_chunks(lambda *piece: bin_frames(fill_frames(*piece), binning), frames, valid)
    frames = kept_beside(frames) if binning > 1 else frames
    shifts, clear = correlate(frames, frames[key], LOW_PASS * binning)
    shifts = shifts * clear[:, None]
    for _ in range(2):
        shifts = shifts - shifts.median(0).values
        flow = rearrange(shifts, "n xy -> n xy 1 1").expand(-1, -1, *frames.shape[-2:])
        mean = aligned_mean(frames, flow, torch.ones_like(shifts[:, 0]))
        better, clear = correlate(frames, mean, LOW_PASS * binning)
        shifts = torch.where(clear[:, None], better, shifts)
    return (shifts - shifts[key]) * binning


def small_shift(image: torch.Tensor, reference: torch.Tensor, largest: float) -> torch.Tensor:
    """Return the shift [2] px of image [h, w] against reference [h, w].

    It is 0 where it is found larger than `largest` px: the peak is a wrong one.
    """
    shift = global_shifts(torch.stack([reference, image]), key=0)[1]
    return shift if float(shift.abs().max()) <= largest else torch.zeros_like(shift)


def correlate(
    frames: torch.Tensor, reference: torch.Tensor, low_pass: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shifts [n, 2] of frames [n, h, w] against a reference [h, w], and which are clear [n].

    Frequencies up to about `low_pass` cycles per pixel count: noise dominates higher ones.
    """
    h, w = reference.shape
    window = torch.outer(torch.hann_window(h), torch.hann_window(w)).to(frames)
    fy, fx = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)
    band = torch.exp(-((fx**2 + fy**2) / low_pass**2)).to(frames)

    def spectrum(chunk: torch.Tensor) -> torch.Tensor:
        transformed: torch.Tensor = torch.fft.rfft2(
            (chunk - chunk.mean((1, 2), keepdim=True)) * window
        )
        return transformed

    target = spectrum(reference[None]).conj()

    def found(chunk: torch.Tensor) -> torch.Tensor:
        cross = spectrum(chunk) * target
        correlation = torch.fft.irfft2(cross / (cross.abs() + 1e-12) * band, s=(h, w))
        # The mean is zero but for rounding; `std` takes as long as the transform.
        clear = correlation.amax((1, 2)) > CLEAR_PEAK * correlation.square().mean((1, 2)).sqrt()
        return torch.cat([_peaks(correlation), clear[:, None].to(correlation)], dim=1)

    pieces = map(found, frames.split(frames_at_once(frames)))
    shift_x, shift_y, clear = joined(pieces, len(frames)).unbind(1)
    return torch.stack([shift_x, shift_y], dim=1), clear.bool()


def _peaks(correlation: torch.Tensor) -> torch.Tensor:
    """Return the sub-pixel place [n, 2] (dx, dy) of the maximum of each map [n, h, w], wrapped."""
    n, h, w = correlation.shape
    best = correlation.flatten(1).argmax(1)
    y, x = best // w, best % w
    i = torch.arange(n, device=correlation.device)

    middle = correlation[i, y, x]
    dx = vertex(correlation[i, y, (x - 1) % w], middle, correlation[i, y, (x + 1) % w])
    dy = vertex(correlation[i, (y - 1) % h, x], middle, correlation[i, (y + 1) % h, x])
    wrapped_x = torch.where(x > w // 2, x - w, x)
    wrapped_y = torch.where(y > h // 2, y - h, y)
    return torch.stack([wrapped_x + dx, wrapped_y + dy], dim=1)
