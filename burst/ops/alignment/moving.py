"""Find what moves by itself in aligned frames, and which frames show it as one of them does.

Cells are CELL px apart. Air moves the scene to and fro, so what it leaves of a frame in a cell goes
with the gradients there; a thing that moves is as bright as it is, whatever stands behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from scipy import ndimage
from torch.nn import functional

from burst.ops.alignment.grid import HALF, bin_frames
from burst.ops.alignment.motion import flow_of, inverse
from burst.ops.alignment.registration import gradient
from burst.ops.chunks import frames_at_once, in_chunks
from burst.ops.filters import box_mean, gaussian_blur
from burst.ops.samples import MEASURED, sample
from burst.ops.warp import invert, pixel_grid, warp, within
from burst.records import NoiseModel

CELL = 4  # px; light is the mean over squares of twice that side
PIXELS = (2 * CELL) ** 2  # of a square
BORDER = 8  # px of a frame, within which air carries in what other frames do not show
FEWEST, SMALLEST = 6, 48  # frames, of which a median is taken; px of a side, most of it no border
DEVIATION_OF_MAD = 1.4826  # standard deviations in a median absolute deviation of a Gaussian
# Variance of the displacement (px^2) that registration leaves, at least, and the share of the light
# that changes by itself. Chosen with the limits below on 66 stacks without and 30 with a thing that
# moves: the former reach 9.6 deviations over RUN frames, ghosts of the latter 20 and more.
LEAST_MOTION, LEAST_CHANGE = 0.02, 0.005
RUN = 3  # frames
SEED, GROWN = 12.0, 4.0  # deviations that tell a thing, and that belong to one beside them
AROUND = 1  # cells around a thing that show its border
# Mean square difference of frames that show the same, in units of what is expected: of 1.5, 2.5 and
# 5 the best on four stacks of three levels; 2.5 costs up to 1.3 dB inside a thing, 5 up to 4 dB.
ALIKE = 1.5


@dataclass(frozen=True)
class Cells:
    """What aligned frames show in cells.

    shown      [n, gy, gx] bool, where a frame shows the scene, away from its borders
    deviation  [n, gy, gx] of the light from its median over frames, in units of what noise and air
               explain
    unlike     [n, gy, gx] mean square difference of a frame's pixels from those of the key frame,
               in the same units
    """

    shown: torch.Tensor
    deviation: torch.Tensor
    unlike: torch.Tensor


def compare(
    frames: torch.Tensor,
    displacement: torch.Tensor,
    noise: NoiseModel,
    key: int,
    valid: torch.Tensor | None = None,
    moved: bool = False,
) -> Cells:
    """Compare frames [n, h, w], aligned by displacement [n, 2, h', w'], in cells with their median
    over time and with a key frame. Only `valid` [n, h, w] values count; `moved` says that the
    camera did."""
    size, whole = (frames.shape[-2], frames.shape[-1]), slice(key, key + 1)

    def sampled(chunk: slice) -> tuple[torch.Tensor, torch.Tensor]:
        flow = displacement[chunk]
        measured = None if valid is None else valid[chunk]
        values, counts = sample(frames[chunk], flow, measured, moved)
        x, y = pixel_grid(flow)
        inside = within(x + flow[:, 0], y + flow[:, 1], size, BORDER)
        return values, (inside if counts is None else inside & (counts > 0)).to(values)

    own = sampled(whole)[0]
    light, shown, unlike, total = [], [], [], torch.zeros_like(own[0])
    for first in range(0, len(frames), frames_at_once(frames)):
        values, counts = sampled(slice(first, first + frames_at_once(frames)))
        light.append(bin_frames(values, CELL))
        shown.append(bin_frames(counts, CELL) > MEASURED)
        unlike.append(bin_frames((values - own).square(), CELL))
        total += values.sum(0)
    mean = total / len(frames)
    lights, seen = torch.cat(light), torch.cat(shown)
    middle = _median(lights, seen)
    steep = bin_frames(torch.stack(gradient(mean)).square().sum(0)[None], CELL)
    steep = box_mean(steep, 3)[0]
    each = noise.variance(middle.clamp(min=0)) + 1e-12
    usual = (DEVIATION_OF_MAD * _median((lights - middle).abs(), seen)).square()
    textured = seen.any(0) & (steep >= steep.median())
    left = (usual - each / PIXELS) / steep.clamp(min=1e-12)
    motion = max(float(left[textured].median()) if bool(textured.any()) else 0.0, LEAST_MOTION)
    air = motion * steep + (LEAST_CHANGE * middle).square()
    deviation = (lights - middle) * (each / PIXELS + air).rsqrt()
    alike = torch.cat(unlike) / (2 * (each + air))
    return Cells(seen, deviation, alike / alike[seen].median().clamp(min=1e-6))


def find_moving(cells: Cells) -> torch.Tensor:
    """Return the cells of frames [n, gy, gx] bool that show what most frames do not show there:
    far beyond noise and air for RUN frames, and what is beside it in place and time."""
    share = cells.shown.to(cells.deviation)
    off, seen = (_over_time(part) for part in (cells.deviation * share, share))
    off = torch.where(cells.shown & (seen > 0), off / seen.clamp(min=1e-6), 0.0).abs()
    found, before = off > SEED, -1
    while int(found.sum()) != before:
        before = int(found.sum())
        found = _grown(found, 1, 1) & (off > GROWN)
    return found


def still(moving: torch.Tensor) -> torch.Tensor:
    """Return the cells [n, gy, gx] bool that show nothing that moves, nor its border."""
    return ~_grown(moving, AROUND)


def as_in_key(cells: Cells, moving: torch.Tensor, key: int) -> torch.Tensor:
    """Return which cells of frames [n, gy, gx] bool show what the key frame shows: where something
    moves in it, those of the frames before and after that still show it there."""
    like = still(moving)
    things, count = ndimage.label((~like[key]).cpu().numpy(), np.ones((3, 3)))
    for thing in range(1, count + 1):
        part = torch.from_numpy(things == thing).to(like.device)
        alike = cells.unlike[:, part & moving[key]].mean(1) < ALIKE
        alike[key] = True
        others = torch.arange(len(alike), device=alike.device)[~alike]
        first = int(others[others < key].max()) + 1 if bool((others < key).any()) else 0
        last = int(others[others > key].min()) if bool((others > key).any()) else len(alike)
        like[:, part] = False
        like[first:last, part] = True
    return like


def mask_of(moving: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return where something moves in any frame, [h, w] bool, by the cells [n, gy, gx] that show
    it."""
    return _fine(moving.any(0)[None].float(), size)[0] > HALF


def around(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask [h, w] bool with what is around, falling gently from 1 to 0."""
    reach = 2 * CELL
    grown = functional.max_pool2d(mask[None].float(), 2 * reach + 1, 1, reach)
    return gaussian_blur(grown, reach / 2, "replicate")[0]


def smooth(image: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] without detail that could be taken for an edge."""
    return gaussian_blur(image[None], 2.0 * CELL, "replicate")[0]


def in_frames(
    cells: torch.Tensor, flow: torch.Tensor, motion: torch.Tensor | None, size: tuple[int, int]
) -> torch.Tensor:
    """Return cells [n, gy, gx] bool of the grid of a flow [n, 2, h', w'] as places of the frames
    [n, h, w] of a size."""
    grid = (flow.shape[-2], flow.shape[-1])

    def placed(cells: torch.Tensor, flow: torch.Tensor, back: torch.Tensor | None) -> torch.Tensor:
        to = invert(-flow) if back is None else flow_of(back, size)
        return warp(_fine(cells.to(flow), grid), to, mode="bilinear") > HALF

    if motion is None:
        return in_chunks(lambda part, flow: placed(part, flow, None), cells, flow)
    return in_chunks(placed, cells, flow, inverse(motion))


def _fine(cells: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return cells [n, gy, gx] as pixels [n, h, w] of a size that they may not fill."""
    fine = functional.interpolate(cells[:, None], scale_factor=float(CELL), mode="bilinear")
    pad = (0, size[1] - fine.shape[-1], 0, size[0] - fine.shape[-2])
    return functional.pad(fine, pad, "replicate")[:, 0]


def _median(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the median over frames of the values [n, gy, gx] that count, or of all where none
    does."""
    middle = torch.where(counts, values, torch.nan).nanmedian(0).values
    return torch.where(middle.isnan(), values.median(0).values, middle)


def _over_time(values: torch.Tensor) -> torch.Tensor:
    """Return the mean of values [n, gy, gx] over RUN frames, fewer at the ends."""
    lines = rearrange(values, "n y x -> y x n")
    mean = functional.avg_pool1d(lines, RUN, 1, RUN // 2, count_include_pad=False)
    return rearrange(mean, "y x n -> n y x")


def _grown(cells: torch.Tensor, reach: int, frames: int = 0) -> torch.Tensor:
    """Return cells [n, gy, gx] bool and those around them, in place and in time."""
    side = (2 * frames + 1, 2 * reach + 1, 2 * reach + 1)
    pooled = functional.max_pool3d(cells[None, None].float(), side, 1, (frames, reach, reach))
    return pooled[0, 0] > 0
