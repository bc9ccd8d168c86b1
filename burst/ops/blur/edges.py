"""Measure how sharp the sharpest straight edges of an image are: a scene has steps, and a blurred
step is as wide as the blur.

The width is that of the line spread function, the derivative of the profile across an edge, at half
of its maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from burst.ops.alignment.registration import gradient
from burst.ops.filters import gaussian_blur
from burst.ops.warp import pixel_grid, warp

SMOOTHED, TENSOR, COHERENT = 1.2, 9, 0.9  # px sigma; px of a window; 1 is one direction alone
SIDE, MARGIN = 256, 8  # px of the middle that is looked at; px at its border that are not
CELL, MOST_EDGES = 5, 300  # px within which one edge is taken; the steepest of all
REACH, STEP, ALONG = 14.0, 0.25, 4  # px to both sides; px; px up and down the edge
LINE_SMOOTHED = 0.6  # px sigma, of the line spread function
CENTRE = 2.0  # px from the point where the steepest one is sought
# An edge counts where nothing else is near: of the peak, how far the line spread function may fall
# below 0 within so many widths; of the width, how much its halves may differ.
ALONE, ALONE_REACH = 0.25, 1.3
STEEP = 0.3  # of the steepest edge of twenty
SEEN = 2.0  # deviations of a pixel's noise per px; seven of the line spread function's
SHARPEST = 0.25  # share of edges that are sharper than the width that is told
FEWEST = 8


@dataclass(frozen=True)
class Edges:
    """The width (px) of the sharpest edges, and of how many it was taken."""

    width: float
    count: int


def measure_edges(image: torch.Tensor, noise_std: float) -> Edges | None:
    """Return how wide the sharpest edges of an image [h, w] are; None where too few stand alone."""
    top, left = ((length - SIDE) // 2 if length > SIDE else 0 for length in image.shape)
    spreads = _line_spreads(image[top : top + SIDE, left : left + SIDE])
    if len(spreads) < FEWEST:
        return None
    width, peak, lonely = _widths(spreads)
    steep = np.sort(peak)[-max(3, len(peak) // 20)]
    counts = np.isfinite(width) & (lonely < ALONE) & (peak > STEEP * steep)
    counts &= peak > SEEN * noise_std
    if counts.sum() < FEWEST:
        return None
    return Edges(float(np.quantile(width[counts], SHARPEST)), int(counts.sum()))


def width_behind(transfer: np.ndarray) -> np.ndarray:
    """Return the widths (px) [c] that steps have, as measured here, behind blurs of transfer
    functions [c, m] from 0 to Nyquist's frequency."""
    frequency = np.linspace(0, 0.5, transfer.shape[-1])
    # The area of a pixel, the difference over two steps, and the smoothing.
    seen = np.sinc(frequency) * np.sinc(2 * STEP * frequency)
    seen = seen * np.exp(-2 * (math.pi * frequency * LINE_SMOOTHED) ** 2)
    place = np.arange(0, REACH, STEP / 4)
    waves = np.cos(2 * math.pi * np.outer(frequency, place))
    waves[0] /= 2
    spread = (transfer * seen) @ waves
    share = spread / spread[:, :1]
    i = np.argmax(share < 0.5, axis=1)
    i = np.where((share < 0.5).any(1), i, len(place) - 1)
    rows = np.arange(len(share))
    before, after = share[rows, i - 1], share[rows, i]
    part = (before - 0.5) / np.maximum(before - after, 1e-9)
    return np.asarray(2 * (place[i - 1] + part.clip(0, 1) * STEP / 4))


def _line_spreads(image: torch.Tensor) -> np.ndarray:
    """Return the line spread functions [edges, places] across the steepest edges of an image
    [h, w], from dark to bright, a step apart."""
    gx, gy = gradient(gaussian_blur(image[None], SMOOTHED)[0])
    products = torch.stack([gx * gx, gx * gy, gy * gy])[None]
    xx, xy, yy = functional.avg_pool2d(products, TENSOR, 1, TENSOR // 2)[0]
    steepness = torch.hypot(gx, gy)
    coherence = torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp(min=1e-20)
    chosen = _steepest(_ridge(steepness, gx, gy) * (coherence > COHERENT))
    if not len(chosen):
        return np.zeros((0, 0))
    angle = 0.5 * torch.atan2(2 * xy, xx - yy).flatten()[chosen]
    width = image.shape[1]
    lines = _across(image, chosen % width, chosen.div(width, rounding_mode="floor"), angle)
    spread = (lines[:, 2:] - lines[:, :-2]) / (2 * STEP)
    sigma_steps = LINE_SMOOTHED / STEP
    reach = math.ceil(3 * sigma_steps)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma_steps**2))
    kernel = (kernel / kernel.sum()).to(spread)
    padded = functional.pad(spread[:, None], (reach, reach), mode="replicate")
    spread = functional.conv1d(padded, kernel[None, None])[:, 0]
    return np.asarray((spread * spread[:, spread.shape[1] // 2, None].sign()).cpu().double())


def _ridge(steepness: torch.Tensor, gx: torch.Tensor, gy: torch.Tensor) -> torch.Tensor:
    """Return the steepness [h, w] where it is largest across the edge, else 0; 0 at the border."""
    normal = torch.stack([gx, gy]) / steepness.clamp(min=1e-20)
    beside = [warp(steepness[None], sign * normal[None])[0] for sign in (-1, 1)]
    top = (steepness >= beside[0]) & (steepness >= beside[1])
    kept = torch.zeros_like(steepness)
    inside = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    kept[inside] = (steepness * top)[inside]
    return kept


def _steepest(steepness: torch.Tensor) -> torch.Tensor:
    """Return the flat places of the steepest edges of [h, w], one in each cell."""
    values = steepness.cpu().numpy()
    rows, columns = np.nonzero(values > 0)
    order = np.argsort(-values[rows, columns], kind="stable")
    cells = (rows // CELL * (values.shape[1] // CELL + 1) + columns // CELL)[order]
    first = np.sort(np.unique(cells, return_index=True)[1])[:MOST_EDGES]
    place = (rows * values.shape[1] + columns)[order][first]
    return torch.from_numpy(place).to(steepness.device)


def _across(
    image: torch.Tensor, x: torch.Tensor, y: torch.Tensor, angle: torch.Tensor
) -> torch.Tensor:
    """Return the profiles [edges, places] of an image [h, w] across edges at (x, y) [edges], whose
    normals have an angle [edges]; means along the edge."""
    across = torch.arange(-REACH, REACH + STEP / 2, STEP).to(image)
    along = torch.arange(-ALONG, ALONG + 1).to(image)[:, None]
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    to_x = x[:, None, None] + cosine * across - sine * along
    to_y = y[:, None, None] + sine * across + cosine * along
    places = torch.stack([to_x.flatten(1), to_y.flatten(1)])
    left, top = pixel_grid(places[0])
    found = warp(image[None], (places - torch.stack(torch.broadcast_tensors(left, top)))[None])
    return found[0].reshape(to_x.shape).mean(1)


def _widths(spreads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of line spread functions [edges, places] the width (px) at half height, not finite
    where there is none, the peak, and how far each is from standing alone."""
    middle, near = spreads.shape[1] // 2, int(CENTRE / STEP)
    top = middle - near + spreads[:, middle - near : middle + near + 1].argmax(1)
    rows, places = np.arange(len(spreads)), np.arange(spreads.shape[1])
    peak = spreads[rows, top]
    below = spreads <= peak[:, None] / 2
    after = below & (places > top[:, None])
    before = below & (places < top[:, None])
    right, left = after.argmax(1), spreads.shape[1] - 1 - before[:, ::-1].argmax(1)
    found = after.any(1) & before.any(1) & (peak > 0)

    def crossing(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
        high, low = spreads[rows, inner], spreads[rows, outer]
        return np.asarray((high - peak / 2) / np.maximum(high - low, 1e-20))

    inside = (right - 1).clip(0), (left + 1).clip(max=spreads.shape[1] - 1)
    half_right = (inside[0] - top + crossing(right, inside[0])) * STEP
    half_left = (top - inside[1] + crossing(left, inside[1])) * STEP
    width = np.where(found, half_right + half_left, np.nan)
    beside = np.abs(places - top[:, None]) * STEP <= ALONE_REACH * np.nan_to_num(width)[:, None]
    lowest = np.where(beside, spreads, np.inf).min(1)
    safe = np.maximum(peak, 1e-20)
    uneven = np.abs(half_right - half_left) / np.maximum(np.nan_to_num(width), 1e-20)
    return width, peak, np.where(found, np.maximum(-lowest / safe, uneven), np.inf)
