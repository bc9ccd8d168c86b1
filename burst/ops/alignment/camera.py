"""The motion of a camera held in the hand: shift, turn and shear of whole frames, then what is left
of them place by place, both against one frame.

Least squares on the reference's gradients (Lucas and Kanade, 1981), from coarse to fine. What moves
by itself counts little: a pixel's weight falls with its misfit (Geman and McClure).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from burst.ops.alignment.cells import CELL, cell_counts
from burst.ops.alignment.grid import Grid, bin_frames
from burst.ops.alignment.motion import chain, flow_of, inverse, move
from burst.ops.alignment.registration import Scale, gradient, register, smooth
from burst.ops.warp import pixel_grid, sample, sample_lines, warp, within
from burst.records import CameraFlow, NoiseModel

# Chosen by hand.
COARSEST = 64  # px along the shorter side, where shifts are found
FINEST = 800  # px, from which frames are binned; what is left is found on the gathered image
ROUNDS = 8  # at each size
SAMPLES = 100_000  # of a frame; more than enough for seven numbers
SETTLED = 0.002  # px, of a step after which no other follows
PEAKS = 6  # of phase correlation that are tried
LOCAL = (Scale(4, 32, 2), Scale(2, 24, 2))  # of dense registration
SORTED = 1 << 15  # values of which the median is taken
# px of grey frames, by which aliasing seems to displace places of simulated bursts at rest, rms.
ALIASING = 0.25
MAD = 1.4826  # standard deviations in a median of absolute differences


def places(flow: CameraFlow, frame: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return where points (x [w], y [h]) of the reference lie in a frame [2, h, w]."""
    motion = flow.motion[frame]
    return _moved(motion, torch.tensordot(motion[:, :2], flow.cells[frame], 1), flow.side, x, y)


def places_back(flow: CameraFlow, frame: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return where points (x [w], y [h]) of a frame lie on the reference [2, h, w]; what cells are
    displaced by changes little from a pixel to the next."""
    back = inverse(flow.motion[frame : frame + 1])[0]
    return _moved(back, -flow.cells[frame], flow.side, x, y)


def find_camera_flow(
    grey: torch.Tensor, reference: int, noise: NoiseModel, side: int = 1
) -> CameraFlow:
    """Return how frames lie on the grid of one of them, from grey frames [n, h, w] whose pixels
    have a `side` of so many of theirs."""
    while min(grey.shape[1:]) >= FINEST:
        grey, side = bin_frames(grey, 2), 2 * side
        noise = NoiseModel(noise.shot / 4, noise.read / 4)
    motion = _motion(grey, reference)
    size = (grey.shape[-2], grey.shape[-1])
    noise = NoiseModel(2 * noise.shot, 2 * noise.read)  # of a difference
    whole = torch.ones_like(grey[:1], dtype=torch.bool)
    cells = grey.new_zeros(len(grey), 2, *cell_counts(size))
    for k in range(len(grey)):
        if k != reference:
            place = Grid(size, motion[k : k + 1], whole)
            found, _ = register(
                grey[k : k + 1], noise, cells[k : k + 1], LOCAL, grey[reference], place
            )
            # A frame that shows nothing of the reference has no displacement, which is then 0.
            cells[k] = _certain(found)[0].nan_to_num()
    return CameraFlow(reference, _finer(motion, side), side * cells, side * CELL)


def is_settled(step: torch.Tensor, size: tuple[int, int]) -> bool:
    """Return whether a step [1, 2, 3] moves no place of a frame of size (h, w) noticeably."""
    rest = (step[0] - torch.eye(2, 3).to(step)).abs()
    return float((rest[:, :2].sum(1) * max(size) + rest[:, 2]).max()) < SETTLED


def _moved(
    motion: torch.Tensor, cells: torch.Tensor, side: int, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Return where a motion [2, 3] brings points (x [w], y [h]), and cells [2, gy, gx] with a side
    of so many px displace them from there [2, h, w]."""
    there = sample_lines(cells, *((along + 0.5) / side - 0.5 for along in (x, y)))
    there += motion[:, :1, None] * x
    return there.add_((motion[:, 1:2] * y + motion[:, 2:])[..., None])


def _finer(motion: torch.Tensor, factor: int) -> torch.Tensor:
    """Return a motion [n, 2, 3] in pixels of which so many make a side of the present ones."""
    middle = (factor - 1) / 2
    linear, shift = motion[:, :, :2], motion[:, :, 2]
    return torch.cat([linear, (factor * shift + middle * (1 - linear.sum(2)))[..., None]], dim=2)


def _certain(cells: torch.Tensor) -> torch.Tensor:
    """Return cells [n, 2, gy, gx] without what aliasing explains."""
    square = smooth(cells.square().sum(1, keepdim=True), 2.0)
    return cells * square / (square + ALIASING**2)


def _motion(grey: torch.Tensor, reference: int) -> torch.Tensor:
    """Return the motion [n, 2, 3] from the reference to each of grey frames [n, h, w]."""
    levels = [grey]
    while min(levels[-1].shape[1:]) >= 2 * COARSEST:
        levels.append(bin_frames(levels[-1], 2))
    motion = torch.stack([_start(levels[-1][reference], frame) for frame in levels[-1]])
    for level in levels[-2::-1]:
        motion = _finer(motion, 2)
        gradients = gradient(level[reference])
        for k in range(len(level)):
            if k != reference:
                for _ in range(ROUNDS):
                    step = _step(level[reference], gradients, level[k], motion[k : k + 1])
                    motion[k] = chain(step, motion[k : k + 1])[0]
                    if is_settled(step, (level.shape[-2], level.shape[-1])):
                        break
    return motion


def _start(reference: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
    """Return the motion [2, 3] from a small reference to a small frame [h, w]: of the peaks of
    their phase correlation the one by which most of the area agrees. A person in bright clothes may
    make the highest peak."""
    gradients, found = gradient(reference), []
    size = (reference.shape[0], reference.shape[1])
    for shift in _peaks(reference, frame):
        motion = torch.eye(2, 3).to(frame)[None].clone()
        motion[0, :, 2] = shift
        for _ in range(ROUNDS):
            step = _step(reference, gradients, frame, motion)
            motion = chain(step, motion)
            if is_settled(step, size):
                break
        flow = flow_of(motion, size)
        x, y = pixel_grid(reference)
        inside = within(x + flow[0, 0], y + flow[0, 1], size, 1.0)
        error = (reference - warp(frame[None], flow, mode="bilinear")[0]).square()
        found.append((motion[0], torch.where(inside, error, torch.nan)))
    least = torch.stack([error for _, error in found]).nanmedian(0).values.nanmedian() + 1e-12
    # What the frame does not show agrees as half of the rest does.
    costs = [float((error / (error + least)).nan_to_num(0.5).mean()) for _, error in found]
    return found[costs.index(min(costs))][0]


def _peaks(reference: torch.Tensor, frame: torch.Tensor) -> list[torch.Tensor]:
    """Return shifts [2] (dx, dy) px of a frame against a reference [h, w] at the highest peaks of
    their phase correlation, and none."""
    h, w = reference.shape
    window = torch.outer(torch.hann_window(h), torch.hann_window(w)).to(frame)
    one, two = (torch.fft.rfft2((image - image.mean()) * window) for image in (reference, frame))
    cross = two * one.conj()
    plane = torch.fft.irfft2(cross / (cross.abs() + 1e-12), s=(h, w))
    wrapped = functional.pad(plane[None, None], (2,) * 4, mode="circular")
    plane = functional.avg_pool2d(wrapped, 3, 1)[0, 0, 1:-1, 1:-1]  # a peak lies between pixels
    summit = plane == functional.max_pool2d(plane[None], 3, 1, 1)[0]
    best = torch.where(summit, plane, -torch.inf).flatten().topk(PEAKS).indices
    y, x = best // w, best % w
    x, y = torch.where(x > w // 2, x - w, x), torch.where(y > h // 2, y - h, y)
    return [*torch.stack([x, y], dim=1).to(frame), frame.new_zeros(2)]


def _step(
    reference: torch.Tensor,
    gradients: tuple[torch.Tensor, torch.Tensor],
    frame: torch.Tensor,
    motion: torch.Tensor,
) -> torch.Tensor:
    """Return the motion [1, 2, 3] on the reference [h, w] that brings a frame [h, w], as seen by
    its motion so far, closer to it."""
    size = (reference.shape[0], reference.shape[1])
    every = max(1, round(math.sqrt(reference.numel() / SAMPLES)))
    thin = (slice(None, None, every),) * 2
    x, y = pixel_grid(reference)
    grid = torch.stack(torch.broadcast_tensors(x[:, ::every], y[::every]))
    there = move(motion, grid[None])[0]
    error = reference[thin] - sample(frame[None], there, mode="bilinear")[0]
    inside = within(there[0], there[1], size, 1.0)
    gx, gy, brightness = (part[thin] for part in (*gradients, reference))
    return affine_step(error, (gx, gy, brightness), grid, inside, size)


def affine_step(
    error: torch.Tensor,
    images: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    places: torch.Tensor,
    inside: torch.Tensor,
    size: tuple[int, int],
) -> torch.Tensor:
    """Return the motion [1, 2, 3] that explains errors [h, w] (wanted less seen) at places
    [2, h, w] of a frame of size (h, w) by gradients across and down and by brightness there, of
    which the third of `images` may have another amount; robust against what is not explained."""
    *gradients, brightness = images
    # Flat places tell nothing: of the steep ones, whose errors tell the step, half are as small.
    steep = gradients[0].square() + gradients[1].square()
    steep = steep * inside
    if not bool(steep.any()):  # what is flat, or not seen, tells of no motion
        return torch.eye(2, 3).to(error)[None]
    thin = slice(None, None, 1 + steep.numel() // SORTED)
    some, off = steep.flatten()[thin], error.flatten()[thin].abs()
    scale = MAD * off[some >= some.mean()].median() + 1e-9
    weight = inside / (1 + (error / (3 * scale)).square()).square()
    # So that a person in bright clothes counts by the area covered.
    weight = weight / (1 + steep / steep.mean())
    half = max(size) / 2
    columns = [*((places - half) / half), torch.ones_like(error)]
    moved = [g * column for g in gradients for column in columns]
    rows = torch.stack([*moved, brightness]).flatten(1)
    weighted = rows * weight.flatten()
    normal, right = weighted @ rows.T, weighted @ error.flatten()
    normal = normal + 1e-6 * normal.diagonal().max() * torch.eye(7).to(normal)
    a = torch.linalg.solve(normal, right)[:6].reshape(2, 3)
    linear = a[:, :2] / half
    shift = a[:, 2] - linear.sum(1) * half
    return (torch.eye(2, 3).to(a) + torch.cat([linear, shift[:, None]], dim=1))[None]
