"""Weight frames by their sharpness, free of noise, and drop those that degrade the merged image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from burst.lazy import torch
from burst.ops.frames import agreement, gains
from burst.ops.frames import sharpness as sharpness_ops
from burst.records import Burst, Selection, given
from burst.settings import checked, setting

NEEDS = ("linear", "noise")
GIVES = ("weights", "tile_sharpness", "selection")
MAY_GIVE = ("kept", "linear", "gain", "valid", "left_out")  # where frames are left out
BLOCKS = True  # takes frames that are read block by block
SHARED = True  # what is found on all channels together holds for each

# A frame half as sharp as its neighbours in time costs more than it adds, unless the air blurs many
# as much. With fewer than 8 frames an outlier cannot be recognised.
BLURRED, FEWEST = 0.5, 8
# Frames. The median is less certain for fewer frames; with this margin, of 40 frames with Gaussian
# sharpness of any width one in 10,000 at most is left out.
FEW_FRAMES_MARGIN = 24


@checked
@dataclass(frozen=True)
class Config:
    """How many frames are kept and how much more a sharp frame counts."""

    keep: Annotated[float, setting("share of the frames, the sharpest", gt=0, le=1)] = 1.0
    emphasis: Annotated[float, setting("weight is sharpness to this power", ge=0)] = 1.0
    outlier: Annotated[
        float, setting("how far below the median sharpness a frame is dropped", "deviations", gt=0)
    ] = 4.0
    tile: Annotated[int, setting("side of a tile whose sharpness is measured", "px", ge=8)] = 32
    per: Annotated[
        Literal["frame", "tile"],
        setting("whether the share to keep is of whole frames, or of each tile its own frames"),
    ] = "frame"


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with a weight per frame and the sharpness of each tile."""
    linear, ratios = given(burst.linear), _noise(burst)
    tiles = sharpness_ops.tile_sharpness(linear, given(burst.noise), config.tile, ratios)
    tiles = tiles / _relative_brightness(burst)[:, None, None].square()
    sharpness = tiles.mean((1, 2))
    sharpness = sharpness / sharpness.mean().clamp(min=1e-20)
    whole = config if config.per == "frame" else replace(config, keep=1.0)
    reasons = _reasons(sharpness, whole)
    share = config.keep / whole.keep
    weights = sharpness.clamp(min=1e-3) ** config.emphasis
    if ratios is not None:
        weights = weights / ratios
    weights[list(reasons)] = 0.0
    weights = weights / weights[weights > 0].mean()
    found = Selection(tuple(burst.of_stack(sharpness)), share)
    numbers = burst.numbers
    why = {**(burst.left_out or {}), **{numbers[i]: reasons[i] for i in sorted(reasons)}}
    report = burst.report.note(
        sharpness=list(found.sharpness),
        weights=burst.of_stack(weights, 0.0),
        kept=[frame for i, frame in enumerate(numbers) if i not in reasons],
        reasons={str(frame): why[frame] for frame in sorted(why)},
    )
    burst = replace(burst, selection=found, report=report)
    if reasons:
        burst = replace(burst, left_out=why)
        left = [i for i in range(len(weights)) if i not in reasons]
        burst, weights, tiles = _keep_only(burst, left), weights[left], tiles[left]
    if share < 1:
        burst = replace(burst, report=burst.report.note(**_shares(tiles, share, burst)))
    relative = tiles / tiles.mean(0, keepdim=True).clamp(min=1e-20)
    return replace(burst, weights=weights, tile_sharpness=relative)


def _shares(tiles: torch.Tensor, share: float, burst: Burst) -> dict[str, object]:
    """Return for the report the share of the frames that counts in each tile [n, ty, tx], and in
    what share of its tiles each frame counts."""
    counts = sharpness_ops.best_cells(tiles, share).mean((1, 2))
    used = burst.of_stack(counts, 0.0)
    return {"share_of_each_tile": float(counts.mean()), "share_of_tiles": used}


def _keep_only(burst: Burst, left: list[int]) -> Burst:
    """Return the burst with only the frames whose places are in `left`."""
    linear, gain, valid = given(burst.linear), burst.gain, burst.valid
    chosen = torch.tensor(left, device=linear.device)
    return replace(
        burst,
        kept=chosen if burst.kept is None else burst.kept[chosen],
        linear=linear[chosen],
        gain=None if gain is None else gain[chosen],
        valid=None if valid is None else valid[chosen],
    )


def _relative_brightness(burst: Burst) -> torch.Tensor:
    """Return the brightness of each frame [m] over the median; 1 where gains were removed
    before."""
    linear = given(burst.linear)
    if burst.gain is not None:
        return linear.new_ones(len(linear))
    light = linear.mean((1, 2)).clamp(min=1e-3)
    return light / light.median()


def _noise(burst: Burst) -> torch.Tensor | None:
    """Return the noise variance of each frame [m] over that of the burst; None if all are equal."""
    if not gains.differ(burst.gain):
        return None
    return gains.noise_ratios(gains.frame_variances(given(burst.linear), burst.valid))


def _reasons(sharpness: torch.Tensor, config: Config) -> dict[int, str]:
    """Return the reason for each dropped frame, by its place among the used ones; at least two
    frames stay."""
    reasons = {}
    relative = sharpness / _local_median(sharpness)
    # Not the logarithm: in a scene of little detail the measured sharpness may be 0.
    blur, share = _deviation(relative).tolist(), relative.tolist()
    found = sharpness.tolist()
    judged = len(found) >= FEWEST
    outlier = config.outlier * (1 + FEW_FRAMES_MARGIN / len(found))
    order = sharpness.argsort(descending=True).tolist()
    least = max(2, round(config.keep * len(order)))
    for place, i in enumerate(order):
        if place >= least:
            reasons[i] = f"sharpness {found[i]:.2f} of the mean: not among the best {least}"
        elif judged and blur[i] < -outlier and share[i] < BLURRED:
            reasons[i] = f"sharpness {found[i]:.2f} of the mean: far below the others"
    return reasons


def _local_median(sharpness: torch.Tensor) -> torch.Tensor:
    """Return the running median of the sharpness [m] over time: the view of a drifting camera
    changes, and so does the air."""
    half = min(max(FEWEST // 2, len(sharpness) // 8), len(sharpness) - 1)
    padded = torch.nn.functional.pad(sharpness[None], (half, half), mode="reflect")[0]
    return padded.unfold(0, 2 * half + 1, 1).median(1).values.clamp(min=1e-6)


def _deviation(values: torch.Tensor) -> torch.Tensor:
    """Return the distances of values [n] from their median in robust standard deviations.

    A deviation of at least one percent of the median is assumed, so that in a stack of nearly equal
    frames none is an outlier.
    """
    middle = values.median()
    spread = (values - middle).abs().median() * agreement.DEVIATION_OF_MAD
    return (values - middle) / spread.clamp(min=0.01 * float(middle))
