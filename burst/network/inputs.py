"""The inputs of a network, made of a burst, and the image made of its output.

All inputs are encoded: brightness is divided by a measured `scale`, and a square root makes shot
noise about equal in shadows and highlights. The curve is odd and unbounded, so that nothing is
clipped and `restore` inverts it everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.network.preparation import GROUPS, SCALARS, STANDARD, Preparation, standardise
from burst.ops.blur.deconvolve import deconvolve
from burst.ops.blur.psf import equivalent_sigma, soften
from burst.ops.chunks import frames_at_once
from burst.ops.noise import lowest_linear, undo_clipping
from burst.ops.samples import sample
from burst.ops.warp import compose
from burst.records import Burst, given

# Chosen by hand.
STRENGTHS = {"soft": 3.0, "hard": 0.3}  # regularisation in units of that of the restored image
ITERATIONS = 16  # with 8 the two already differ in the same places

TOE = 0.02  # of the scale: below it the curve is a line
WHITE = 0.995  # this quantile of the merged image becomes 1
LEAST_SCALE = 1e-3
LARGEST_SPREAD = 0.5
# As many frames as any network was trained on. More leave less noise, which is a scalar of its own:
# told their number, networks would refuse them, and 300 frames would lose 2 dB.
MOST_FRAMES = 100.0
LEAST_LIGHT = 0.05  # of a group's weight; with less valid weight its mean tends to that of all


@dataclass(frozen=True)
class Evidence:
    """The inputs of a network: planes [c, h, w], scalars [s], and `base` [h, w], of three
    colours [3, h, w], the encoded classical result that it corrects; `scale` is the linear value
    that is encoded as 1."""

    planes: torch.Tensor
    scalars: torch.Tensor
    base: torch.Tensor
    scale: float


def prepare(burst: Burst, preparation: Preparation) -> Evidence:
    """Return the evidence of a burst after the classical stages."""
    merged = given(burst.merged)
    scale = scale_of(merged)
    scalars = measured_scalars(burst, scale)
    return Evidence(
        torch.stack(list(_planes(burst, scale, preparation.evidence))),
        torch.tensor([scalars[name] for name in preparation.scalars]).to(merged),
        encode(given(burst.image), scale),
        scale,
    )


def restore(output: torch.Tensor, evidence: Evidence) -> torch.Tensor:
    """Return the linear image [h, w] of an encoded one."""
    return decode(output, evidence.scale)


def encode(linear: torch.Tensor, scale: float) -> torch.Tensor:
    """Encode linear values of any shape: 0 stays 0, `scale` becomes 1, the sign is kept."""
    x = linear / scale
    # sqrt(x + TOE) - sqrt(TOE) for positive x, without a difference of nearly equal numbers.
    return x / ((x.abs() + TOE).sqrt() + math.sqrt(TOE)) / _span()


def decode(encoded: torch.Tensor, scale: float) -> torch.Tensor:
    """Invert `encode`."""
    y = encoded * _span()
    return y * (y.abs() + 2 * math.sqrt(TOE)) * scale


def slope(linear: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the derivative of `encode` at linear values of any shape."""
    return ((linear / scale).abs() + TOE).rsqrt() / (2 * _span() * scale)


def measured_scalars(burst: Burst, scale: float) -> dict[str, float]:
    """Return all SCALARS, standardised to the order of 1; the motion of rows is 0 where no stage
    measured it."""
    merging, noise = given(burst.merging), given(burst.noise)
    found: dict[str, float | None] = {
        "noise": merging.noise_std * float(slope(given(burst.merged).clamp(min=0), scale).mean()),
        "shot": noise.shot,
        "read": noise.read,
        "frames": min(merging.effective_frames, MOST_FRAMES),
        "psf_sigma": equivalent_sigma(given(burst.psf).mean(0)),
        "displacement": given(burst.level).displacement,
        "row_motion": _row_motion(burst),
        "misfit": given(burst.alignment).misfit,
        "strength": given(burst.turbulence).d_over_r0_of_motion,
    }
    return {name: standardise(found[name], *STANDARD[name]) for name in SCALARS}


def _span() -> float:
    return math.sqrt(1 + TOE) - math.sqrt(TOE)


def scale_of(linear: torch.Tensor) -> float:
    """Return the linear value of an image that is to be encoded as 1."""
    rank = max(1, math.ceil(WHITE * linear.numel()))
    return max(float(linear.flatten().kthvalue(rank).values), LEAST_SCALE)


def _row_motion(burst: Burst) -> float | None:
    if burst.row_motion is None:
        return None
    within = burst.row_motion - burst.row_motion.mean(1, keepdim=True)
    return float(within.square().mean().sqrt())


def _planes(burst: Burst, scale: float, names: tuple[str, ...]) -> Iterator[torch.Tensor]:
    """Yield planes [h, w], encoded; only those asked for are computed."""
    merged, merging = given(burst.merged), given(burst.merging)
    steepness = slope(merged, scale)
    wanted = tuple(name for name in names if name in (*GROUPS, "spread"))
    grouped = _of_frames(burst, wanted) if wanted else {}
    for name in names:
        if name == "spread":
            yield (grouped[name] * steepness).clamp(max=LARGEST_SPREAD)
        elif name == "noise":
            variance = given(burst.noise).variance(merged) / merging.effective_frames
            yield (variance.sqrt() * steepness).clamp(max=LARGEST_SPREAD)
        elif name in GROUPS:
            yield encode(grouped[name], scale)
        elif name in STRENGTHS:
            yield encode(deconvolved(burst, STRENGTHS[name]), scale)
        else:
            yield encode(merged if name == "merged" else given(burst.image), scale)


def deconvolved(burst: Burst, strength: float, power: float = 1.0) -> torch.Tensor:
    """Return the merged image [h, w], deconvolved with a prior of this strength by the mean PSF,
    whose transfer function is raised to a power."""
    weights, psf = given(burst.weights), given(burst.psf)
    variance = given(burst.merging).noise_std ** 2
    mean_psf = torch.einsum("n,nyx->yx", weights / weights.sum(), psf)
    mean_psf = soften(mean_psf, power) if power != 1 else mean_psf
    return deconvolve(given(burst.merged), mean_psf, variance, strength, ITERATIONS)


def by_prior(burst: Burst, evidence: Evidence, preparation: Preparation) -> torch.Tensor:
    """Return by what [h, w] the image differs between a hard and a soft prior: what the noise has
    hidden, the prior has made up."""
    names = preparation.evidence
    hard, soft = (
        decode(evidence.planes[names.index(name)], evidence.scale)
        if name in names
        else deconvolved(burst, STRENGTHS[name])
        for name in ("hard", "soft")
    )
    return hard - soft


def _of_frames(burst: Burst, wanted: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return the means [h, w] of the wanted groups of frames, and "spread", the standard deviation
    over the frames beyond noise, all linear. Every frame is resampled once."""
    linear, noise, weights = given(burst.linear), given(burst.noise), given(burst.weights)
    flow, merged, tiles = given(burst.flow), given(burst.merged), given(burst.tile_sharpness)
    lowest = lowest_linear(burst.stack.sensor)
    used, moved = (weights > 0).nonzero()[:, 0], burst.motion is not None
    groups = tuple(name for name in GROUPS if name in wanted)
    shares = group_shares(tiles[used], groups)
    sums = torch.zeros((len(groups), *merged.shape)).to(merged)
    light = torch.zeros_like(sums)
    total, square, seen = (torch.zeros_like(merged) for _ in range(3))
    step = frames_at_once(linear)
    for chosen, share in zip(used.split(step), shares.split(step), strict=True):
        motion = None if burst.row_motion is None else burst.row_motion[chosen]
        valid = None if burst.valid is None else burst.valid[chosen]
        values, counts = sample(linear[chosen], compose(flow[chosen], motion), valid, moved)
        difference = values - merged
        if counts is not None:
            difference = difference * counts
            seen += counts.sum(0)
        total += difference.sum(0)
        square += difference.square().sum(0)
        for group in range(len(groups)):
            # Interpolated from the tiles to every pixel [n, h, w].
            spread = functional.interpolate(share[:, group, None], merged.shape, mode="bilinear")[
                :, 0
            ]
            sums[group] += (spread * difference).sum(0)
            if counts is not None:
                light[group] += (spread * counts).sum(0)
    if burst.valid is not None:
        sums = sums / light.clamp(min=LEAST_LIGHT)
    number = seen.clamp(min=1) if burst.valid is not None else len(used)
    variance = square / number - (total / number).square()
    made = {"spread": (variance - noise.variance(merged)).clamp(min=0).sqrt()}
    for group, name in enumerate(groups):
        made[name] = undo_clipping(merged + sums[group], noise, lowest)
    return made


def group_shares(tiles: torch.Tensor, groups: tuple[str, ...]) -> torch.Tensor:
    """Return the share [n, g, ty, tx] of each frame in the mean of each group, tile by tile.

    Frames are ranked in every tile by sharpness [n, ty, tx]: the sharpest third, the middle, the
    dullest, and the sharpest tenth. No group is empty; each group's shares sum to 1.
    """
    n = len(tiles)
    rank = tiles.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    third = {"sharp": 0, "middle": 1, "dull": 2}
    shares = []
    for name in groups:
        first = third[name] * n // 3 if name in third else 0
        last = (third[name] + 1) * n // 3 if name in third else -(-n // 10)
        last = max(last, first + 1)
        shares.append(((rank >= first) & (rank < last)).to(tiles) / (last - first))
    return torch.stack(shares, dim=1) if shares else tiles.new_zeros((n, 0, *tiles.shape[1:]))
