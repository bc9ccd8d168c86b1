"""Row noise: the offset with which a sensor reads each row, separated from changes of the scene."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from burst.ops.alignment.motion import flow_of, inverse, reach, shifted_grid
from burst.ops.alignment.registration import smooth
from burst.ops.chunks import frames_at_once
from burst.ops.reductions import joined
from burst.ops.warp import pixel_grid, warp, within
from burst.records import NoiseModel

# Chosen by hand.
SMOOTH_ROWS = 6.0  # rows; sigma of the trend along a frame that is not row noise
LEAST_ROW_NOISE = 0.5  # of the variance of its measurement; smaller row noise is left as it is
QUANTILE = 0.25  # of the rows, the calmest, whose variance is that of row noise alone
SHOWN = 0.25  # share of the frames; a mean of fewer is too similar to the frame compared with it
WHOLE = 0.99  # of the weight of the four pixels around a sample


def row_offsets(linear: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    """Estimate the offset [n, h] that each row of frames [n, h, w] was read with.

    It is the median difference from the mean frame over the half of a row with the least vertical
    gradient, without its smooth trend along the rows. Motion of the scene adds to rows with edges,
    row noise to all rows alike: the calmest quarter of the rows gives its variance, and every row
    is shrunk by the ratio of that to its own variance.
    """
    reference = linear.mean(0)
    edges = cv2.BORDER_REFLECT
    blurred = cv2.GaussianBlur(reference.cpu().numpy(), (9, 9), 1.0, borderType=edges)
    steepness = np.abs(cv2.Sobel(blurred, -1, 0, 1, borderType=edges))
    half = linear.shape[2] // 2
    calm = torch.from_numpy(steepness).to(linear.device).argsort(dim=1)[:, :half]
    pieces = (
        (chunk - reference).gather(2, calm.expand(len(chunk), -1, -1)).median(dim=2).values
        for chunk in linear.split(frames_at_once(linear))
    )
    difference = joined(pieces, len(linear))
    offset = _without_trend(difference)
    level = float(reference.mean().clamp(0, 1))
    return _shrunk(offset, offset.var(dim=0), noise, level, half)


def row_offsets_in_motion(
    linear: torch.Tensor, noise: NoiseModel, motion: torch.Tensor, valid: torch.Tensor | None
) -> torch.Tensor:
    """Estimate row offsets [n, h] as `row_offsets` does, for a camera with a motion [n, 2, 3].

    Each frame is compared with the mean of all aligned frames, resampled to its place. A row of
    which that mean shows less than half gets no offset.
    """
    size = (linear.shape[1], linear.shape[2])
    half = size[1] // 2
    wide = _WideMean(linear, motion, valid)
    difference, known = linear.new_zeros(linear.shape[:2]), linear.new_zeros(linear.shape[:2])
    for i, frame in enumerate(linear):
        reference, shown = wide.reference_for(i)
        if valid is not None:
            shown = shown & valid[i]
        steepness = torch.gradient(smooth(reference[None, None], 1.0)[0, 0], dim=0)[0].abs()
        calm = torch.where(shown, steepness, torch.inf).argsort(dim=1)[:, :half]
        difference[i] = (frame - reference).gather(1, calm).median(dim=1).values
        known[i] = (shown.sum(1) >= half).to(known)
    offset = _without_trend(difference * known) * known
    count = known.sum(0)
    mean = offset.sum(0) / count.clamp(min=1)
    found = ((offset - mean) * known).square().sum(0) / (count - 1).clamp(min=1)
    found = torch.where(count > 1, found, torch.inf)
    return _shrunk(offset, found, noise, float(linear.mean().clamp(0, 1)), half)


class _WideMean:
    """The mean [H, W] of frames [n, h, w] aligned by their motion, on a grid with room for all, and
    how many of them show each pixel."""

    def __init__(
        self, linear: torch.Tensor, motion: torch.Tensor, valid: torch.Tensor | None
    ) -> None:
        self.size = (linear.shape[1], linear.shape[2])
        margin = reach(motion, self.size)
        self.motion = shifted_grid(motion, (-margin, -margin))
        grid = (self.size[0] + 2 * margin, self.size[1] + 2 * margin)
        total, self.light = linear.new_zeros(grid), linear.new_zeros(grid)
        for i in range(len(linear)):
            flow = flow_of(self.motion[i : i + 1], grid)
            x, y = pixel_grid(flow)
            shown = within(x + flow[0, 0], y + flow[0, 1], self.size)
            if valid is not None:
                shown &= warp(valid[i : i + 1].to(linear), flow, mode="bilinear")[0] > WHOLE
            total += warp(linear[i : i + 1], flow)[0] * shown
            self.light += shown
        self.mean = total / self.light.clamp(min=1)
        self.enough = (self.light >= max(2.0, SHOWN * len(linear))).to(linear)

    def reference_for(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean resampled to one of the frames [h, w], and where enough frames show
        it."""
        flow = flow_of(inverse(self.motion[number : number + 1]), self.size)
        shown = warp(self.enough[None], flow, mode="bilinear")[0] > WHOLE
        return warp(self.mean[None], flow)[0], shown


def _without_trend(lines: torch.Tensor) -> torch.Tensor:
    """Return lines [n, h] without their smooth trend."""
    reach = 2 * round(4 * SMOOTH_ROWS) + 1
    trend = cv2.GaussianBlur(
        lines.cpu().numpy(), (reach, 1), SMOOTH_ROWS, borderType=cv2.BORDER_REPLICATE
    )
    return lines - torch.from_numpy(np.asarray(trend)).to(lines.device)


def _shrunk(
    offset: torch.Tensor, found: torch.Tensor, noise: NoiseModel, level: float, pixels: int
) -> torch.Tensor:
    """Shrink offsets [n, h], whose variance over the frames is `found` [h], to the sensor's share.

    Each offset is a median over `pixels` pixels of brightness `level`.
    """
    expected = torch.pi / 2 * noise.std(level) ** 2 / pixels
    row_variance = float(found.quantile(QUANTILE)) - expected
    if row_variance < LEAST_ROW_NOISE * expected:
        return torch.zeros_like(offset)
    return offset * (row_variance / found).clamp(max=1.0)
