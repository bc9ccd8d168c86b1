"""The camera's motion between two frames, in bands of rows: first from flow, then from pixels.

Dense flow gives a first estimate of each band's motion. It is biased in regions without texture and
around objects that move by themselves. The estimate is therefore refined by registering the pixels
of all bands at once (Lucas and Kanade, 1981), without the moving objects.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from burst.ops.warp import pixel_grid, warp, within

# The numbers below were chosen by hand; docs/methods.md gives the recordings and their errors.
BANDS = 16  # of rows
CELLS = 8  # side by side in a band
ROUNDS = 10  # of reweighted least squares, which minimise the sum of distances
NEAR, OUTLIER = 0.5, 3.0  # px; medians of the distance. Cells beyond both are moving objects.
MIN_TRUST = 0.5  # of flow that counts
NEWTON_STEPS = 4  # Gauss-Newton steps at each smoothing
CONVERGED = 5e-3  # px; a smaller step is the last
RESIDUALS = 4.0, 2.0  # medians of the residual; of 255: width of the robust weight
BOXES = 7, 1  # px, smoothing of the frames, coarse to fine
MIN_INFORMATION = 1.0  # of 255 squared, summed over a band; less is rounding error
SMOOTHNESS = 1e-3  # weight of the bands' second differences, against the pixels' own information


def camera_motion(
    first: np.ndarray, second: np.ndarray, flow: torch.Tensor, trust: torch.Tensor
) -> np.ndarray:
    """Return the camera's motion [bands, 2] px between frames [h, w] (0..255); NaN where unknown.
    `flow` [2, h, w] px and its `trust` [h, w] are a first estimate."""
    moved, outlier = motion_from_flow(flow, trust)
    frames = torch.from_numpy(np.stack([first, second])).float()
    return motion_from_pixels(frames, moved, outlier)


def motion_from_flow(flow: torch.Tensor, trust: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the camera's motion from flow [2, h, w] px with trust [h, w].

    Returns the motion [bands, 2] px, NaN where no flow is trusted, and which cells [bands, cells]
    are moving objects. A parabola over the rows is fitted to the median flow of all cells; cells
    far from it are moving objects, which do not count.
    """
    cells = np.stack(
        [
            [_median(*cell) for cell in zip(_cells(f), _cells(t), strict=True)]
            for f, t in zip(flow.tensor_split(BANDS, dim=1), trust.tensor_split(BANDS), strict=True)
        ]
    )
    row = np.repeat(np.linspace(-1, 1, BANDS), CELLS)
    known = np.isfinite(cells[..., 0])
    if known.sum() < BANDS:
        return np.full((BANDS, 2), np.nan), np.zeros_like(known)
    line = np.vander(row[known.ravel()], 3)
    moved = cells[known]
    weight = np.ones(len(moved))
    for _ in range(ROUNDS):
        scaled = line * weight[:, None]
        answer = np.linalg.lstsq(scaled.T @ line, scaled.T @ moved, rcond=None)[0]
        miss = np.linalg.norm(moved - line @ answer, axis=1)
        weight = 1 / (miss + NEAR)
    outlier = np.zeros_like(known)
    outlier[known] = miss >= max(NEAR, OUTLIER * float(np.median(miss)))
    of_camera = known & ~outlier
    bands = [
        np.median(c[k], axis=0) if k.any() else np.full(2, np.nan)
        for c, k in zip(cells, of_camera, strict=True)
    ]
    return np.stack(bands), outlier


def motion_from_pixels(frames: torch.Tensor, moved: np.ndarray, outlier: np.ndarray) -> np.ndarray:
    """Refine the motion `moved` [bands, 2] px between two frames [2, h, w] (0..255).

    Returns [bands, 2] px, NaN for bands without enough texture. Cells `outlier` [bands, cells] are
    left out. The motion is linear between the middles of bands. Gauss-Newton steps register all
    bands at once; pixels with large residuals get a small weight (Geman and McClure, 1987).
    """
    band, known = np.arange(BANDS), np.isfinite(moved[:, 0])
    if not known.any():
        return moved
    about = [np.interp(band, band[known], along[known]) for along in moved.T]
    found = torch.from_numpy(np.stack(about, axis=1))
    size = (int(frames.shape[1]), int(frames.shape[2]))
    shares = _row_weights(size[0])
    mask = functional.interpolate(torch.from_numpy(~outlier).float()[None, None], size)[0, 0]
    bend = torch.eye(BANDS, dtype=torch.float64).diff(n=2, dim=0)
    same = torch.eye(2 * BANDS, dtype=torch.float64).reshape(BANDS, 2, BANDS, 2)
    stiff = torch.einsum("ij,jbkc->ibkc", bend.T @ bend, same)
    for box in BOXES:
        smooth = functional.avg_pool2d(frames[None], box, 1, box // 2, count_include_pad=False)[0]
        for _ in range(NEWTON_STEPS):
            matrices, wanted = _normal_equations(smooth, shares @ found, mask)
            normal = torch.einsum("yab,yi,yj->iajb", matrices, shares, shares)
            weight = SMOOTHNESS * torch.einsum("iaia->", normal) / (2 * BANDS) + MIN_INFORMATION
            right = torch.einsum("ya,yi->ia", wanted, shares)
            right = right - weight * torch.einsum("iajb,jb->ia", stiff, found)
            step = torch.linalg.tensorsolve(normal + weight * stiff + MIN_INFORMATION * same, right)
            found = found + step
            if float(step.abs().max()) < CONVERGED:
                break
    pixels, stiffness = (torch.einsum("iaia->ia", part) for part in (normal, weight * stiff))
    told_of = (pixels > stiffness + MIN_INFORMATION).all(1, keepdim=True)
    return torch.where(told_of, found, torch.nan).numpy()


def _normal_equations(
    frames: torch.Tensor, moved: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each row's normal equations, matrices [h, 2, 2] and right sides [h, 2], of the step
    that is still missing where rows of frames [2, h, w] are displaced by `moved` [h, 2] px."""
    first, size = frames[0], frames.shape[1:]
    flow = moved.float().T[..., None].expand(2, *size)
    second = warp(frames[1:], flow[None])[0]
    slope = torch.stack(torch.gradient((first + second) / 2, dim=(1, 0)))
    x, y = pixel_grid(flow)
    inside = within(x + flow[0], y + flow[1], (size[0], size[1]), border=1)
    apart = first - second
    counts = (mask * inside) > 0
    typical = apart[counts].abs().median() if counts.any() else apart.new_zeros(())
    scale = torch.clamp(RESIDUALS[0] * typical, min=RESIDUALS[1])
    weight = counts / (1 + (apart / scale).square()).square()
    matrices = torch.einsum("ayx,byx,yx->yab", slope, slope, weight)
    return matrices.double(), torch.einsum("ayx,yx,yx->ya", slope, apart, weight).double()


def _row_weights(height: int) -> torch.Tensor:
    """Return the weights [h, bands] that interpolate the motion of bands to rows."""
    middle = (np.arange(BANDS) + 0.5) / BANDS * height - 0.5
    row = np.arange(height)
    return torch.from_numpy(np.stack([np.interp(row, middle, one) for one in np.eye(BANDS)], 1))


def _cells(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split a band [..., y, w] into its cells."""
    return values.tensor_split(CELLS, dim=-1)


def _median(moved: torch.Tensor, sure: torch.Tensor) -> np.ndarray:
    """Return the median of trusted flow [2] px of a cell [2, y, x]; NaN if little is trusted."""
    points = moved[:, sure > MIN_TRUST]
    enough = points.shape[1] > moved.shape[2]
    median = points.median(1).values if enough else torch.full((2,), torch.nan)
    return median.double().cpu().numpy()
