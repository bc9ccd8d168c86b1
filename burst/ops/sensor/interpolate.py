"""Interpolate defective pixels from their neighbours."""

from __future__ import annotations

import torch
from torch.nn import functional

DIFFUSION_ROUNDS = 200  # of averaging; a gap of 16 rows converges to a percent


def interpolate_defects(linear: torch.Tensor, defect: torch.Tensor) -> torch.Tensor:
    """Return frames [n, h, w] with defects [h, w] interpolated.

    A single pixel becomes the median of its eight neighbours. A larger gap is filled by diffusion:
    each pixel is the mean of the four beside it.
    """
    if not defect.any():
        return linear
    mended = linear.clone()
    around = functional.avg_pool2d(defect[None, None].float(), 3, 1, 1, divisor_override=1)[0, 0]
    alone, gaps = defect & (around == 1), defect & (around > 1)
    if alone.any():
        y, x = alone.nonzero(as_tuple=True)
        padded = functional.pad(linear[None], (1, 1, 1, 1), mode="replicate")[0]
        near = [padded[:, y + i // 3, x + i % 3] for i in range(9) if i != 4]
        mended[:, y, x] = torch.stack(near).median(0).values
    if gaps.any():
        _fill(mended, defect, gaps)
    return mended


def _fill(frames: torch.Tensor, defect: torch.Tensor, gaps: torch.Tensor) -> None:
    """Fill the gaps [h, w] of frames [n, h, w] from the good pixels around them, in place."""
    good, (height, width) = ~defect, defect.shape
    typical = frames[:, good].mean(1) if good.any() else frames.mean((1, 2))
    y, x = gaps.nonzero(as_tuple=True)
    frames[:, y, x] = typical[:, None]
    # Beyond the border the frame is mirrored.
    up, left = torch.where(y > 0, y - 1, y + 1), torch.where(x > 0, x - 1, x + 1)
    down = torch.where(y < height - 1, y + 1, y - 1)
    right = torch.where(x < width - 1, x + 1, x - 1)
    for _ in range(DIFFUSION_ROUNDS):
        around = [frames[:, up, x], frames[:, down, x], frames[:, y, left], frames[:, y, right]]
        frames[:, y, x] = torch.stack(around).mean(0)
