"""The camera's motion between two frames, in bands of rows: told by dense flow, then by the pixels.

Dense flow is drawn to what is around where a scene is plain, and to whatever moves by itself. It
finds the bands' motion to begin with; the pixels of all that moves so are then registered at once.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from burst.ops.warp import pixel_grid, warp, within

BANDS = 16  # of rows
CELLS = 8  # of a band
ROUNDS = 10  # of reweighted least squares, towards the least sum of distances
CLOSE, FAR = 0.5, 3.0  # px, and medians; what is further from most of a frame moves by itself
SURE = 0.5  # trust
STEPS = 4  # of Gauss and Newton
STILL = 5e-3  # px; a smaller step is the last
STRAY = 4.0, 2.0  # medians of the difference, and of 255; more is not the same point
BOXES = 7, 1  # px, over which frames are smoothed; far away the fine detail leads astray
LEAST = 1.0  # of 255 squared, in a band; slopes of rounding errors tell nothing
STIFF = 1e-3  # of what the pixels say; how little a band may bend that none of them tell of


def camera_motion(
    first: np.ndarray, second: np.ndarray, flow: torch.Tensor, trust: torch.Tensor
) -> np.ndarray:
    """Return the motion [bands, 2] px of the camera between frames [h, w] (0..255), which flow
    [2, h, w] and its trust [h, w] tell roughly; NaN in bands of which nothing tells."""
    moved, astray = motion_of_flow(flow, trust)
    frames = torch.from_numpy(np.stack([first, second])).float()
    return motion_of_pixels(frames, moved, astray)


def motion_of_flow(flow: torch.Tensor, trust: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the motion [bands, 2] px of the camera that flow tells, NaN where nothing is trusted,
    and which cells [bands, cells] move by themselves.

    Cells have medians of their own. What most of the frame does is a parabola over the rows; cells
    far from it are objects that move by themselves, and are left out.
    """
    cells = np.stack(
        [
            [_median(*cell) for cell in zip(_across(f), _across(t), strict=True)]
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
        weight = 1 / (miss + CLOSE)
    astray = np.zeros_like(known)
    astray[known] = miss >= max(CLOSE, FAR * float(np.median(miss)))
    of_camera = known & ~astray
    bands = [
        np.median(c[k], axis=0) if k.any() else np.full(2, np.nan)
        for c, k in zip(cells, of_camera, strict=True)
    ]
    return np.stack(bands), astray


def motion_of_pixels(frames: torch.Tensor, moved: np.ndarray, astray: np.ndarray) -> np.ndarray:
    """Return the motion [bands, 2] px between two frames [2, h, w] (0..255), from what it is about
    [bands, 2]; NaN in bands of which the pixels do not tell. Cells astray [bands, cells] are left
    out.

    From the middle of a band to that of the next it changes evenly. Gauss and Newton's steps
    register all bands at once, without pixels that differ too much (Geman and McClure).
    """
    band, known = np.arange(BANDS), np.isfinite(moved[:, 0])
    if not known.any():
        return moved
    about = [np.interp(band, band[known], along[known]) for along in moved.T]
    found = torch.from_numpy(np.stack(about, axis=1))
    size = (int(frames.shape[1]), int(frames.shape[2]))
    shares = _shares(size[0])
    mask = functional.interpolate(torch.from_numpy(~astray).float()[None, None], size)[0, 0]
    bend = torch.eye(BANDS, dtype=torch.float64).diff(n=2, dim=0)
    same = torch.eye(2 * BANDS, dtype=torch.float64).reshape(BANDS, 2, BANDS, 2)
    stiff = torch.einsum("ij,jbkc->ibkc", bend.T @ bend, same)
    for box in BOXES:
        smooth = functional.avg_pool2d(frames[None], box, 1, box // 2, count_include_pad=False)[0]
        for _ in range(STEPS):
            told, wanted = _equations(smooth, shares @ found, mask)
            normal = torch.einsum("yab,yi,yj->iajb", told, shares, shares)
            weight = STIFF * torch.einsum("iaia->", normal) / (2 * BANDS) + LEAST
            right = torch.einsum("ya,yi->ia", wanted, shares)
            right = right - weight * torch.einsum("iajb,jb->ia", stiff, found)
            step = torch.linalg.tensorsolve(normal + weight * stiff + LEAST * same, right)
            found = found + step
            if float(step.abs().max()) < STILL:
                break
    pixels, stiffness = (torch.einsum("iaia->ia", part) for part in (normal, weight * stiff))
    told_of = (pixels > stiffness + LEAST).all(1, keepdim=True)
    return torch.where(told_of, found, torch.nan).numpy()


def _equations(
    frames: torch.Tensor, moved: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the rows of frames [2, h, w] that are displaced by [h, 2] px tell: the matrices
    [h, 2, 2] and right sides [h, 2] of the step that is missing."""
    first, size = frames[0], frames.shape[1:]
    flow = moved.float().T[..., None].expand(2, *size)
    second = warp(frames[1:], flow[None])[0]
    slope = torch.stack(torch.gradient((first + second) / 2, dim=(1, 0)))
    x, y = pixel_grid(flow)
    inside = within(x + flow[0], y + flow[1], (size[0], size[1]), border=1)
    apart = first - second
    counts = (mask * inside) > 0
    typical = apart[counts].abs().median() if counts.any() else apart.new_zeros(())
    stray = torch.clamp(STRAY[0] * typical, min=STRAY[1])
    weight = counts / (1 + (apart / stray).square()).square()
    told = torch.einsum("ayx,byx,yx->yab", slope, slope, weight)
    return told.double(), torch.einsum("ayx,yx,yx->ya", slope, apart, weight).double()


def _shares(height: int) -> torch.Tensor:
    """Return how much [h, bands] of the motion of each band is in that of a row."""
    middle = (np.arange(BANDS) + 0.5) / BANDS * height - 0.5
    row = np.arange(height)
    return torch.from_numpy(np.stack([np.interp(row, middle, one) for one in np.eye(BANDS)], 1))


def _across(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the cells of a band [..., y, w]."""
    return values.tensor_split(CELLS, dim=-1)


def _median(moved: torch.Tensor, sure: torch.Tensor) -> np.ndarray:
    """Return the median flow [2] px of a cell [2, y, x] where it is trusted; NaN if it is not."""
    points = moved[:, sure > SURE]
    enough = points.shape[1] > moved.shape[2]
    median = points.median(1).values if enough else torch.full((2,), torch.nan)
    return median.double().cpu().numpy()
