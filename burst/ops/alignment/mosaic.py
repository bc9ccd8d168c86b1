"""Fit small frames to the mean of others by least squares, with shift, turn and scale.

Points are complex numbers counted from a frame's middle, in pixels of small frames. A pose (z, t)
says that point p of the reference lies at z p + t in the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.alignment.grid import bin_frames
from burst.ops.alignment.registration import gradient, smooth
from burst.ops.blocks import kept_beside, like_blocks
from burst.ops.chunks import frames_at_once, in_chunks
from burst.ops.warp import pixel_grid, warp, within

SHORTER_SIDE = 100  # px at most, of small frames
FINEST, COARSEST = 1.0, 5.0  # px; sigmas of the band in which they are compared
# Chosen by hand.
LEAST_OVERLAP = 0.25  # of a frame; with less a match is not trusted
LARGEST_STEP = 0.15  # of turn (radians) and scale in one round
SETTLED = 0.02  # px of small frames; that a round moves them by, after which another is not needed
DAMPING = 1e-4  # of the normal equations, for frames that show too little


@dataclass(frozen=True)
class SmallFrames:
    """Frames [n, h, w], binned by `factor` and band-pass filtered; counts [n, h, w] are 1 where the
    frames were measured, else 0."""

    frames: torch.Tensor
    counts: torch.Tensor
    factor: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.frames.shape[-2], self.frames.shape[-1]

    def select(self, numbers: torch.Tensor) -> SmallFrames:
        """Return some of the frames, by their numbers [m]."""
        return SmallFrames(self.frames[numbers], self.counts[numbers], self.factor)


@dataclass(frozen=True)
class Poses:
    """The similarity transform of each frame, and how well it fits.

    z, t       [n] complex: scale and turn, and shift
    shear      [n, 2] of the frame against the reference; no camera shears
    agreement  [n] correlation with the reference, -1..1
    overlap    [n] pixels in common with the reference, 0 where they are too few
    """

    z: torch.Tensor
    t: torch.Tensor
    shear: torch.Tensor
    agreement: torch.Tensor
    overlap: torch.Tensor

    def significance(self) -> torch.Tensor:
        """Return correlation times the root of the number of pixels [n]: at a wrong place its rms
        is 1 for white noise and more for scenes. 0 where the overlap is too small."""
        return self.agreement * self.overlap.sqrt()

    def select(self, numbers: torch.Tensor) -> Poses:
        """Return some of the poses, by their numbers [m]."""
        return Poses(*(value[numbers] for value in vars(self).values()))

    def replaced(self, numbers: torch.Tensor, poses: Poses) -> Poses:
        """Return the poses with some [m] replaced."""
        return Poses(
            *(
                value.index_copy(0, numbers, new)
                for value, new in zip(vars(self).values(), vars(poses).values(), strict=True)
            )
        )


@dataclass(frozen=True)
class Mosaic:
    """The mean [h, w] of placed frames, where any frame shows it [h, w] (1 or 0), and the point of
    the reference at its pixel (0, 0)."""

    image: torch.Tensor
    known: torch.Tensor
    origin: complex


def poses_of(z: torch.Tensor, t: torch.Tensor) -> Poses:
    """Return poses with these z and t [n], whose fit is not known yet."""
    nothing = torch.zeros_like(t.real)
    return Poses(z, t, torch.stack([nothing, nothing], dim=1), nothing - 1, nothing)


def make_small_frames(
    frames: torch.Tensor, valid: torch.Tensor | None, factor: int | None = None
) -> SmallFrames:
    """Return frames [n, h, w] binned and band-pass filtered; only `valid` [n, h, w] values count.

    Without a `factor`, the smallest power of 2 is taken that makes the shorter side 100 px or less.
    """
    if factor is None:
        factor = 1
        while min(frames.shape[-2:]) / factor > SHORTER_SIDE:
            factor *= 2
    if valid is None:
        small = in_chunks(lambda part: _band(bin_frames(part, factor)[:, None])[:, 0], frames)
        everywhere = like_blocks(frames.new_ones(1).expand(small.shape), small)
        return SmallFrames(kept_beside(small), everywhere, factor)
    made = kept_beside(in_chunks(partial(_small, factor), frames, valid))
    return SmallFrames(made[:, 0], made[:, 1], factor)


def _small(factor: int, frames: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return frames [k, h, w] binned and filtered, and which pixels count, as [k, 2, y, x]."""
    light = valid.sum((1, 2), keepdim=True).clamp(min=1)
    mean = torch.where(valid, frames, 0.0).sum((1, 2), keepdim=True) / light
    share = bin_frames(valid.to(frames), factor)
    # The mean is subtracted, so that gaps, filled with 0, have no strong edges.
    rest = bin_frames(torch.where(valid, frames - mean, 0.0), factor)
    small = rest / share.clamp(min=1e-6)
    known = (share > 0.5).to(frames)
    return torch.stack([_band_of_known(small[:, None], known[:, None])[:, 0], known], dim=1)


def make_mosaic(small: SmallFrames, poses: Poses) -> Mosaic:
    """Return the mean of frames placed by their poses, on a grid that has room for all."""
    height, width = small.size
    corners = [complex(x, y) for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)]
    seen = (torch.tensor(corners).to(poses.z) - poses.t[:, None]) / poses.z[:, None]
    origin = complex(float(seen.real.min()), float(seen.imag.min()))
    far = complex(float(seen.real.max()), float(seen.imag.max())) - origin
    size = (math.ceil(far.imag), math.ceil(far.real))
    total = small.frames.new_zeros(size)
    light = torch.zeros_like(total)
    for numbers in chunks_of(small):
        values, shown = _placed(small.select(numbers), poses.select(numbers), origin, size)
        total += values.sum(0)
        light += shown.sum(0)
    return Mosaic(total / light.clamp(min=1), (light > 0).to(total), origin)


def common_light(small: SmallFrames, poses: Poses) -> float:
    """Return the mean product of two frames where both, placed by their poses, show a point: the
    square of the detail in which frames agree, without their noise."""
    mosaic = make_mosaic(small, poses)
    size = (mosaic.image.shape[0], mosaic.image.shape[1])
    total, light, own = (torch.zeros_like(mosaic.image) for _ in range(3))
    for numbers in chunks_of(small):
        part = small.select(numbers)
        values, shown = _placed(part, poses.select(numbers), mosaic.origin, size)
        total, light = total + values.sum(0), light + shown.sum(0)
        own = own + values.square().sum(0)
    pairs = light.square() - light
    return float((total.square() - own).sum() / pairs.sum().clamp(min=1))


def refine(
    small: SmallFrames, poses: Poses, mosaic: Mosaic, rounds: int, turns: bool = True
) -> Poses:
    """Improve poses by least squares against a mosaic, with a gain and a shear for each frame.

    Without `turns` only the shifts change.
    """
    size = (mosaic.image.shape[0], mosaic.image.shape[1])
    x, y = pixel_grid(mosaic.image)
    x, y = x + mosaic.origin.real, y + mosaic.origin.imag
    gx, gy = gradient(mosaic.image)
    # The gradient is known where all neighbours are.
    inner = (functional.avg_pool2d(mosaic.known[None, None], 3, 1, 1)[0, 0] > 0.999).to(gx)
    parts = [gx, gx * x, gx * y, gy, gy * x, gy * y, mosaic.image]
    columns = torch.stack(parts).flatten(1)
    least = LEAST_OVERLAP * small.size[0] * small.size[1]
    products = (columns[:, None] * columns[None]).flatten(0, 1)
    found = []
    for numbers in chunks_of(small):
        part, pose = small.select(numbers), poses.select(numbers)
        left = rounds + 1
        while left:
            values, shown = _placed(part, pose, mosaic.origin, size)
            values, weight = values.flatten(1), (shown * inner).flatten(1)
            pose = _agreeing(pose, values, columns[-1], weight, least)
            left -= 1
            if not left:
                break
            normal = rearrange((products @ weight.T).T, "n (i j) -> n i j", i=len(columns))
            stepped = _stepped(pose, normal, (values * weight) @ columns.T)
            stepped = stepped if turns else replace(stepped, z=pose.z)
            moved = (stepped.t - pose.t).abs() + (stepped.z - pose.z).abs() * max(small.size)
            left, pose = left if bool((moved > SETTLED).any()) else 1, stepped
        found.append(pose)
    return Poses(
        *(torch.cat(values) for values in zip(*(vars(p).values() for p in found), strict=True))
    )


def chunks_of(small: SmallFrames) -> Sequence[torch.Tensor]:
    """Return the numbers of the frames in groups for which temporary arrays stay small."""
    numbers = torch.arange(len(small.frames), device=small.frames.device)
    pieces: Sequence[torch.Tensor] = numbers.split(frames_at_once(small.frames))
    return pieces


def _band(images: torch.Tensor) -> torch.Tensor:
    return smooth(images, FINEST) - smooth(images, COARSEST)


def _band_of_known(images: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    fine, coarse = (
        smooth(images * known, sigma) / smooth(known, sigma).clamp(min=1e-3)
        for sigma in (FINEST, COARSEST)
    )
    return (fine - coarse) * known


def _placed(
    small: SmallFrames, poses: Poses, origin: complex, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Resample frames and their counts [n, h, w] to a grid of the reference; 0 outside a frame."""
    x, y = pixel_grid(small.frames.new_empty(1).expand(size))
    point = torch.complex((x + origin.real).expand(size), (y + origin.imag).expand(size))
    seen = poses.z[:, None, None] * point + poses.t[:, None, None]
    height, width = small.size
    across, down = seen.real + (width - 1) / 2, seen.imag + (height - 1) / 2
    inside = within(across, down, small.size)
    flow = torch.stack([across - x, down - y], dim=1)
    shown = inside & (warp(small.counts, flow, mode="bilinear") > 0.99)
    return warp(small.frames, flow, mode="bilinear") * shown, shown.to(x)


def _agreeing(
    poses: Poses, values: torch.Tensor, reference: torch.Tensor, weight: torch.Tensor, least: float
) -> Poses:
    """Return poses with the correlation of values [n, p] with a reference [p], by weight [n, p];
    fewer than `least` pixels in common count as 0."""
    both = (values * weight) @ reference
    own = (values.square() * weight).sum(1) * (weight @ reference.square())
    overlap = torch.where(weight.sum(1) >= least, weight.sum(1), 0.0)
    return Poses(poses.z, poses.t, poses.shear, both / own.clamp(min=1e-30).sqrt(), overlap)


def _stepped(poses: Poses, normal: torch.Tensor, right: torch.Tensor) -> Poses:
    """Return poses moved by the solution of normal equations [n, 7, 7] and [n, 7]."""
    scale = normal.diagonal(dim1=1, dim2=2).clamp(min=1e-12).sqrt()
    normal = normal / (scale[:, :, None] * scale[:, None, :])
    normal = normal + DAMPING * torch.eye(normal.shape[1]).to(normal)
    found = torch.linalg.solve(normal, right / scale) / scale
    # frame = gain * (reference - gradient * displacement); with a gain near 0 the displacement is
    # not determined.
    step = -found[:, :6] / found[:, 6:].clamp(min=0.2)
    shift = torch.complex(step[:, 0], step[:, 3])
    turn = torch.complex((step[:, 1] + step[:, 5]) / 2, (step[:, 4] - step[:, 2]) / 2)
    turn = turn / (turn.abs() / LARGEST_STEP).clamp(min=1)
    shear = torch.stack([step[:, 1] - step[:, 5], step[:, 2] + step[:, 4]], dim=1) / 2
    t = poses.t + poses.z * shift
    return Poses(poses.z * (1 + turn), t, shear, poses.agreement, poses.overlap)
