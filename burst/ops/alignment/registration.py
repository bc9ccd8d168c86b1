"""Registration of turbulent frames to one reference: displacement fields for all frames at once.

Local least squares on the reference's gradients (Lucas and Kanade, 1981), from wide windows to
narrow ones. The reference is the mean of the frames as aligned so far, so its gradients carry
little noise and are the same for every frame. Each window's estimate is regularised towards that of
the wider window: how far the two truly differ is estimated from the frames themselves (empirical
Bayes), so that nothing has to be tuned to a noise level.

Displacement is held on cells (`cells`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange

from burst.ops.alignment.aligned import align_all, mean_and_spread
from burst.ops.alignment.cells import (
    CELL,
    average_over_cells,
    cell_counts,
    cells_of,
    expand,
    mean_over_frames,
    resize_cells,
)
from burst.ops.alignment.grid import Grid, bin_frames, bin_measured
from burst.ops.alignment.motion import add_motion
from burst.ops.blocks import kept_beside, mapped, room_for
from burst.ops.chunks import frames_at_once
from burst.ops.filters import gaussian_blur
from burst.ops.samples import sample
from burst.ops.warp import invert, twice_as_fine, warp, warp_finer
from burst.progress import advance
from burst.records import NoiseModel

# px. By less the reference is not resampled: displacements change by a tenth of it at most.
NEGLIGIBLE = 1e-3
RESIDUAL_SMOOTHING = 2.0  # px; sigma over which a pixel's misfit is averaged; chosen by hand


@dataclass(frozen=True)
class Scale:
    """One step from coarse to fine: pixels binned, the window's sigma (px of the frame), rounds."""

    binning: int
    window: float
    rounds: int


COARSE = (Scale(4, 24, 2), Scale(4, 16, 2), Scale(2, 16, 1), Scale(2, 10, 1))
# Wide windows need no fine pixels: half of them take a quarter of the time, and the image of twelve
# stacks is the same or better (-.023 to .048 dB). A second round of 2.5 px would take a run a
# twentieth longer; without it eleven stacks change by -.025 to .031 dB.
FINE = (Scale(2, 8, 1), Scale(2, 4, 2), Scale(1, 2.5, 1))
WIDE = (Scale(2, 16, 3), Scale(1, 8, 3))  # too wide to change detail


def register(
    frames: torch.Tensor,
    noise: NoiseModel,
    cells: torch.Tensor,
    scales: Sequence[Scale],
    reference: torch.Tensor | None = None,
    grid: Grid | None = None,
) -> tuple[torch.Tensor, float]:
    """Refine cells [n, 2, gy, gx] of frames [n, h, w] through `scales`.

    Return the cells, and the mean square misfit of the last round in units of the noise's variance.
    Without a `reference` [h, w] the mean of the frames as aligned so far is used, and the mean
    displacement over the frames, which turbulence does not have, is subtracted. With a `grid`,
    cells are displacements on that grid, and the camera's motion is applied after them.
    """
    misfit, done = math.nan, 0.0
    whole = _size(frames) if grid is None else grid.size
    binned, place, binning = frames, grid, 1
    for scale in scales:
        if scale.binning != binning:
            binning = scale.binning
            binned = bin_measured(frames, binning, grid)
            binned = binned if binning == 1 else kept_beside(binned)
            place = None if grid is None else grid.binned(binning)
        fixed = None if reference is None else bin_frames(reference[None], scale.binning)[0]
        size = _size(binned) if place is None else place.size
        local = kept_beside(resize_cells(cells, cell_counts(size)) / scale.binning)
        read = NoiseModel(noise.shot / scale.binning**2, noise.read / scale.binning**2)
        for _ in range(scale.rounds):
            local, misfit = _round(binned, read, local, scale.window / scale.binning, fixed, place)
            done += 1 / scale.binning**2  # a round takes as long as there are pixels
            advance(done / sum(s.rounds / s.binning**2 for s in scales))
        cells = resize_cells(local, cell_counts(whole)) * scale.binning
    return cells, misfit


def remove_warp(
    image: torch.Tensor, reference: torch.Tensor, shift: torch.Tensor | None = None
) -> torch.Tensor:
    """Return image [h, w] without its smooth warp against reference [h, w].

    `shift` [2] is where the search starts. Fine detail keeps its contrast.
    """
    noise = NoiseModel(0.0, float((image - reference).square().mean()))
    start = image.new_zeros(1, 2) if shift is None else shift[None]
    cells, _ = register(image[None], noise, cells_of(image[None], start), WIDE, reference)
    flow = expand(cells, (reference.shape[0], reference.shape[1]))
    return warp_finer(twice_as_fine(image[None]), flow)[0]


def recentre(flow: torch.Tensor) -> torch.Tensor:
    """Move the reference of a flow [n, 2, h, w] to where the frames' mean displacement vanishes.

    A point p of the old reference lies at q = p + mean(flow)(p) in the new one, as in the
    diffeomorphic template of Lao et al. (arXiv 2405.03662).
    """
    back = invert(-flow.mean(0, keepdim=True))
    if float(back.abs().max()) < NEGLIGIBLE:
        return flow + back

    def moved(flow: torch.Tensor) -> torch.Tensor:
        both = [
            warp(flow[:, axis], back.expand(len(flow), -1, -1, -1), mode="bilinear") + back[:, axis]
            for axis in (0, 1)
        ]
        return torch.stack(both, dim=1)

    return mapped(moved, flow)


def aligned_mean(
    frames: torch.Tensor,
    flow: torch.Tensor,
    weights: torch.Tensor,
    valid: torch.Tensor | None = None,
    moved: bool = False,
) -> torch.Tensor:
    """Return the weighted mean [h, w] of frames [n, h, w] resampled by flow [n, 2, h, w].

    With `valid` [n, h, w] only valid values count, and no samples from far outside a frame; where
    the camera `moved`, those from outside count little.
    """
    total = frames.new_zeros(flow.shape[-2:])
    light, plain = torch.zeros_like(total), torch.zeros_like(total)
    for chosen in _chunks(frames):
        measured = None if valid is None else valid[chosen]
        values, counts = sample(frames[chosen], flow[chosen], measured, moved)
        share = weights[chosen, None, None]
        if counts is not None:
            plain += (share * values).sum(0)
            share = share * counts
            light += share.sum(0)
        total += (share * values).sum(0)
    if valid is None:
        return total / weights.sum()
    return torch.where(light > 0, total / light.clamp(min=1e-12), plain / weights.sum())


def _round(
    frames: torch.Tensor,
    noise: NoiseModel,
    cells: torch.Tensor,
    window: float,
    fixed: torch.Tensor | None,
    grid: Grid | None,
) -> tuple[torch.Tensor, float]:
    """Move the cells of all frames one step towards a fixed reference, or else towards their mean;
    return them and the mean square misfit in units of the noise's variance."""
    aligned = align_all(
        frames, lambda chunk: _sampled(frames[chunk], cells[chunk], grid, chunk), stored=True
    )
    reference, spread, seen = mean_and_spread(aligned, about=fixed)
    weight, misfit = pixel_weight(spread, seen, len(frames), reference, noise)
    gx, gy = gradient(reference)
    blur = window / CELL
    products = torch.stack([weight * gx * gx, weight * gx * gy, weight * gy * gy])[None]
    steep = torch.stack([weight * gx, weight * gy])
    right, shares = room_for(cells, cells.shape[1:]), None
    normal = smooth(average_over_cells(products), blur)
    if seen is not None:
        normal = room_for(cells, (3, *cells.shape[-2:]))
        shares = room_for(cells, (1, *cells.shape[-2:]))

    def sums(chunk: slice, warped: torch.Tensor, counts: torch.Tensor | None) -> Any:
        error = rearrange(reference - warped, "n h w -> n 1 h w")
        if counts is None:
            return chunk, smooth(average_over_cells(steep * error), blur), None, None
        error = error * counts[:, None]
        own = smooth(average_over_cells(products * counts[:, None]), blur)
        share = average_over_cells(counts[:, None])
        return chunk, smooth(average_over_cells(steep * error), blur), own, share

    for chunk, pulls, own, share in aligned.made(sums):
        right[chunk] = pulls
        if shares is not None:
            normal[chunk], shares[chunk] = own, share
    xx, xy, yy = normal[0] if seen is None else normal.unbind(1)
    pixels = 4 * math.pi * max(window, CELL / 3) ** 2  # that a Gaussian window averages over
    pull = 1 / (pixels * difference_variance(right, xx, xy, yy, pixels))
    determinant = (xx + pull) * (yy + pull) - xy * xy
    step = torch.stack(
        [
            ((yy + pull) * right[:, 0] - xy * right[:, 1]) / determinant,
            ((xx + pull) * right[:, 1] - xy * right[:, 0]) / determinant,
        ],
        dim=1,
    )
    cells = kept_beside(cells + step)
    if fixed is not None:
        return cells, misfit
    return cells - mean_over_frames(cells, shares), misfit


def _sampled(
    frames: torch.Tensor, cells: torch.Tensor, grid: Grid | None, chunk: slice
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return frames [k, h, w] as aligned so far by cells [k, 2, gy, gx], and which samples count;
    None where all do. They are those of a slice of all frames of the grid."""
    if grid is None:
        return warp(frames, expand(cells, _size(frames))), None
    motion = None if grid.motion is None else grid.motion[chunk]
    flow = add_motion(expand(cells, grid.size), motion)
    return sample(frames, flow, grid.valid[chunk], motion is not None)


def difference_variance(
    right: torch.Tensor, xx: torch.Tensor, xy: torch.Tensor, yy: torch.Tensor, pixels: float
) -> float:
    """Return the mean square distance (px^2) of true displacements from the present ones.

    With normal matrix N and right-hand side r = N d + noise of covariance N / pixels,
    E|r|^2 = |N|^2 var(d) + trace(N) / pixels.
    """
    excess = (right.square().sum(1) - (xx + yy) / pixels).mean(0).sum()
    square = xx**2 + 2 * xy**2 + yy**2
    if square.ndim == 3:  # every frame has a normal matrix of its own
        square = square.mean(0)
    return float((excess / square.sum()).clamp(min=1e-6))


def pixel_weight(
    spread: torch.Tensor,
    seen: torch.Tensor | None,
    count: int,
    reference: torch.Tensor,
    noise: NoiseModel,
) -> tuple[torch.Tensor, float]:
    """Return 1 / variance [h, w] of each pixel's misfit, and the mean misfit in units of the noise.

    The variance is at least that of the noise. It is larger where blur changes or things move,
    which therefore count less. `spread` [h, w] is the sum of the squares of the differences of
    `count` frames from the reference, or of the `seen` [h, w] of them that show a pixel.
    """
    expected = noise.variance(reference) + 1e-12
    if seen is None:
        spread = spread / count
    else:
        spread = torch.where(seen > 0, spread / seen.clamp(min=1), expected)
    local = smooth(spread[None, None], RESIDUAL_SMOOTHING)[0, 0]
    return 1 / torch.maximum(local, expected), float((spread / expected).mean())


def gradient(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return d/dx and d/dy [h, w] by central differences, zero at the border."""
    gx, gy = torch.zeros_like(image), torch.zeros_like(image)
    gx[:, 1:-1] = (image[:, 2:] - image[:, :-2]) / 2
    gy[1:-1] = (image[2:] - image[:-2]) / 2
    return gx, gy


def smooth(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur maps [n, c, y, x] by a Gaussian; edges replicate."""
    flat = rearrange(maps, "n c y x -> (n c) y x")
    return gaussian_blur(flat, sigma, "replicate").reshape(maps.shape)


def _chunks(frames: torch.Tensor) -> Iterator[slice]:
    """Yield slices of frames for which temporary arrays stay small."""
    step = frames_at_once(frames)
    for first in range(0, len(frames), step):
        yield slice(first, first + step)


def _size(frames: torch.Tensor) -> tuple[int, int]:
    return frames.shape[-2], frames.shape[-1]
