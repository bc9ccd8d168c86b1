"""Interpolate defective pixels from their neighbours."""

from __future__ import annotations

import torch

from burst.ops.warp import within

DIFFUSION_ROUNDS = 200  # of averaging; a gap of 16 rows converges to a percent
_ASIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))
_AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


def interpolate_defects(linear: torch.Tensor, defect: torch.Tensor) -> torch.Tensor:
    """Return frames [n, h, w] with defects [h, w] interpolated.

    A single pixel becomes the median of its eight neighbours. A larger gap is filled by diffusion:
    each pixel is the mean of the four beside it.
    """
    y, x = defect.nonzero(as_tuple=True)
    if len(y) == 0:
        return linear
    mended = linear.clone()
    alone = _count_beside(defect, y, x) == 0
    if alone.any():
        mended[:, y[alone], x[alone]] = _median_around(linear, y[alone], x[alone])
    if not alone.all():
        _fill(mended, defect, y[~alone], x[~alone])
    return mended


def _median_around(linear: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (
        torch.stack(
            [linear[(slice(None), *_clamped(linear, y + dy, x + dx))] for dy, dx in _AROUND]
        )
        .median(0)
        .values
    )


def _count_beside(defect: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return how many of the eight neighbours of each pixel [k] are defects."""
    near = torch.nn.functional.pad(defect[None, None].float(), (1, 1, 1, 1))
    total = torch.nn.functional.avg_pool2d(near, 3, 1, divisor_override=1)[0, 0]
    return total[y, x] - 1


def _fill(frames: torch.Tensor, defect: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> None:
    """Fill the gaps at y, x [k] of frames [n, h, w] from the good pixels around them, in place."""
    good = ~defect
    typical = frames[:, good].mean(1) if good.any() else frames.mean((1, 2))
    frames[:, y, x] = typical[:, None]
    places = [_mirrored(frames, y + dy, x + dx, y - dy, x - dx) for dy, dx in _ASIDE]
    for _ in range(DIFFUSION_ROUNDS):
        around = torch.stack([frames[:, to_y, to_x] for to_y, to_x in places])
        frames[:, y, x] = around.mean(0)


def _clamped(
    like: torch.Tensor, y: torch.Tensor, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = like.shape[-2:]
    return y.clamp(0, height - 1), x.clamp(0, width - 1)


def _mirrored(
    like: torch.Tensor,
    y: torch.Tensor,
    x: torch.Tensor,
    back_y: torch.Tensor,
    back_x: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return places (y, x) where they are inside the frame, else the mirrored places."""
    inside = within(x, y, (like.shape[-2], like.shape[-1]))
    return torch.where(inside, y, back_y), torch.where(inside, x, back_x)
