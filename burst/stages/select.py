"""Weigh frames by sharpness that noise cannot fake, and drop the ones that spoil the merge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    import torch

    from burst.records import Burst

NEEDS = ("linear", "noise")
GIVES = ("weights", "tile_sharpness")

DEVIATION_OF_MAD = 1.4826  # standard deviations in a median absolute deviation of a Gaussian


@dataclass(frozen=True)
class Config:
    """How many frames are kept and how much a sharp frame counts for."""

    keep: Annotated[float, Field(gt=0, le=1)] = 1.0  # fraction of the frames, the sharpest
    emphasis: Annotated[float, Field(ge=0)] = 1.0  # weight = sharpness ** emphasis
    outlier: Annotated[float, Field(gt=0)] = 4.0  # deviations from the median that drop a frame
    tile: Annotated[int, Field(ge=8)] = 32  # px


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with a weight per frame and the sharpness of each tile."""
    from burst.ops.sharpness import tile_sharpness

    assert burst.linear is not None
    assert burst.noise is not None
    tiles = tile_sharpness(burst.linear, burst.noise, config.tile)
    sharpness = tiles.mean((1, 2))
    sharpness = sharpness / sharpness.mean().clamp(min=1e-20)
    reasons = _reasons(burst.linear, sharpness, config)
    weights = sharpness.clamp(min=1e-3) ** config.emphasis
    weights[list(reasons)] = 0.0
    weights = weights / weights[weights > 0].mean()
    report = burst.report.note(
        sharpness=sharpness.tolist(),
        weights=weights.tolist(),
        kept=[i for i in range(len(weights)) if i not in reasons],
        reasons={str(i): reason for i, reason in reasons.items()},
    )
    relative = tiles / tiles.mean(0, keepdim=True).clamp(min=1e-20)
    return replace(burst, weights=weights, tile_sharpness=relative, report=report)


def _reasons(linear: torch.Tensor, sharpness: torch.Tensor, config: Config) -> dict[int, str]:
    """Return why each dropped frame [n] is dropped; at least two frames stay."""
    reasons = {}
    brightness = _deviation(linear.mean((1, 2)))
    blur = _deviation(sharpness.clamp(min=1e-6).log())
    order = sharpness.argsort(descending=True).tolist()
    least = max(2, round(config.keep * len(order)))
    for place, i in enumerate(order):
        if place >= least:
            reasons[i] = f"sharpness {sharpness[i]:.2f} of the mean: not among the best {least}"
        elif place >= 2 and float(blur[i]) < -config.outlier:
            reasons[i] = f"sharpness {sharpness[i]:.2f} of the mean: far below the others"
        elif place >= 2 and abs(float(brightness[i])) > 2 * config.outlier:
            reasons[i] = f"brightness {float(brightness[i]):+.0f} deviations from the others"
    return reasons


def _deviation(values: torch.Tensor) -> torch.Tensor:
    """Return how far values [n] lie from their median, in robust standard deviations.

    A floor of one percent keeps a stack that is all alike from being torn apart.
    """
    middle = values.median()
    spread = (values - middle).abs().median() * DEVIATION_OF_MAD
    return (values - middle) / spread.clamp(min=0.01 * float(middle.abs().clamp(min=0.1)))
