"""Weigh frames by sharpness that noise cannot fake, and drop the ones that spoil the merge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from burst.config import setting

if TYPE_CHECKING:
    import torch

    from burst.records import Burst

NEEDS = ("linear", "noise")
GIVES = ("weights", "tile_sharpness")
MAY_GIVE = ("kept", "linear", "gain", "valid")  # where frames are left out

# A frame that is half as sharp as those about it spoils more than it brings, unless the air blurs
# many as much; of few frames none is known to be unusual.
BLURRED, FEWEST = 0.5, 8
# What is usual is less well known from fewer frames: of 40 frames whose sharpness is spread as a
# Gaussian, in any width, this leaves out one in 10,000 at most.
DOUBT = 24  # frames
DEVIATION_OF_MAD = 1.4826  # standard deviations in a median absolute deviation of a Gaussian


@dataclass(frozen=True)
class Config:
    """How many frames are kept and how much a sharp frame counts for."""

    keep: Annotated[float, setting("share of the frames, the sharpest", gt=0, le=1)] = 1.0
    emphasis: Annotated[float, setting("weight is sharpness to this power", ge=0)] = 1.0
    outlier: Annotated[
        float,
        setting("how far below the median sharpness a frame is dropped", "deviations", gt=0),
    ] = 4.0
    tile: Annotated[int, setting("side of a tile whose sharpness is measured", "px", ge=8)] = 32


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with a weight per frame and the sharpness of each tile."""
    from burst.ops.frames.sharpness import tile_sharpness

    assert burst.linear is not None
    assert burst.noise is not None
    noise = _noise(burst)
    tiles = tile_sharpness(burst.linear, burst.noise, config.tile, noise)
    tiles = tiles / _light(burst)[:, None, None].square()
    sharpness = tiles.mean((1, 2))
    sharpness = sharpness / sharpness.mean().clamp(min=1e-20)
    reasons = _reasons(sharpness, config)
    weights = sharpness.clamp(min=1e-3) ** config.emphasis
    if noise is not None:
        weights = weights / noise
    weights[list(reasons)] = 0.0
    weights = weights / weights[weights > 0].mean()
    report = burst.report.note(**_noted(burst, sharpness, weights, reasons))
    burst = replace(burst, report=report)
    if reasons:
        left = [i for i in range(len(weights)) if i not in reasons]
        burst, weights, tiles = _without(burst, left), weights[left], tiles[left]
    relative = tiles / tiles.mean(0, keepdim=True).clamp(min=1e-20)
    return replace(burst, weights=weights, tile_sharpness=relative)


def _without(burst: Burst, left: list[int]) -> Burst:
    """Return the burst with the frames `left` alone: the others take part in nothing."""
    import torch

    linear, gain, valid = burst.linear, burst.gain, burst.valid
    assert linear is not None
    chosen = torch.tensor(left, device=linear.device)
    return replace(
        burst,
        kept=chosen if burst.kept is None else burst.kept[chosen],
        linear=linear[chosen],
        gain=None if gain is None else gain[chosen],
        valid=None if valid is None else valid[chosen],
    )


def _light(burst: Burst) -> torch.Tensor:
    """Return by how much brighter than others each frame [m] is, where nobody has taken it out."""
    import torch

    assert burst.linear is not None
    if burst.gain is not None:
        return torch.ones_like(burst.linear[:, 0, 0])
    light = burst.linear.mean((1, 2)).clamp(min=1e-3)
    return light / light.median()


def _noise(burst: Burst) -> torch.Tensor | None:
    """Return how many times the variance of the burst's noise each frame has [m]; None for 1."""
    from burst.ops.frames.gains import differ, frame_variances, noise_ratios

    assert burst.linear is not None
    if not differ(burst.gain):
        return None
    return noise_ratios(frame_variances(burst.linear, burst.valid))


def _noted(
    burst: Burst, sharpness: torch.Tensor, weights: torch.Tensor, reasons: dict[int, str]
) -> dict[str, Any]:
    """Return what the report says of every frame of the stack, those left out before included."""
    kept = range(burst.stack.count) if burst.kept is None else burst.kept.tolist()
    place = {frame: i for i, frame in enumerate(kept)}
    every, known, weighed = range(burst.stack.count), sharpness.tolist(), weights.tolist()
    before = burst.report.numbers("screen").get("reasons", {})
    now = {str(frame): reasons[i] for frame, i in place.items() if i in reasons}
    return {
        "sharpness": [known[place[i]] if i in place else None for i in every],
        "weights": [weighed[place[i]] if i in place else 0.0 for i in every],
        "kept": [i for i in kept if place[i] not in reasons],
        "reasons": {
            str(i): {**before, **now}[str(i)] for i in every if str(i) in {**before, **now}
        },
    }


def _reasons(sharpness: torch.Tensor, config: Config) -> dict[int, str]:
    """Return why each dropped frame [m] is dropped; at least two frames stay."""
    reasons = {}
    relative = sharpness / _usual(sharpness)
    # Not the logarithm: of a scene of little detail noise leaves some frames no sharpness at all.
    blur, share = _deviation(relative).tolist(), relative.tolist()
    found = sharpness.tolist()
    judged = len(found) >= FEWEST
    outlier = config.outlier * (1 + DOUBT / len(found))
    order = sharpness.argsort(descending=True).tolist()
    least = max(2, round(config.keep * len(order)))
    for place, i in enumerate(order):
        if place >= least:
            reasons[i] = f"sharpness {found[i]:.2f} of the mean: not among the best {least}"
        elif judged and blur[i] < -outlier and share[i] < BLURRED:
            reasons[i] = f"sharpness {found[i]:.2f} of the mean: far below the others"
    return reasons


def _usual(sharpness: torch.Tensor) -> torch.Tensor:
    """Return the usual sharpness [m] about each frame: what a drifting camera sees changes, and so
    does the air."""
    from torch.nn import functional

    half = min(max(FEWEST // 2, len(sharpness) // 8), len(sharpness) - 1)
    padded = functional.pad(sharpness[None], (half, half), mode="reflect")[0]
    return padded.unfold(0, 2 * half + 1, 1).median(1).values.clamp(min=1e-6)


def _deviation(values: torch.Tensor) -> torch.Tensor:
    """Return how far values [n] lie from their median, in robust standard deviations.

    A floor of one percent keeps a stack that is all alike from being torn apart.
    """
    middle = values.median()
    spread = (values - middle).abs().median() * DEVIATION_OF_MAD
    return (values - middle) / spread.clamp(min=0.01 * float(middle))
