"""Register every frame to one reference: global shift, then a dense displacement field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from burst.records import MID_GREY, Level

if TYPE_CHECKING:
    import torch

    from burst.records import Burst, NoiseModel

NEEDS = ("linear", "noise", "weights")
GIVES = ("flow", "level", "merged")

POOR_MISFIT = 4.0  # variance of what alignment leaves, in units of the noise


@dataclass(frozen=True)
class Config:
    """What the frames are registered to.

    reference  "mean" of the frames, refined as they align; "key" starts from the sharpest frame,
               whose own displacement is taken out before the mean takes over
    """

    reference: Literal["mean", "key"] = "mean"


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with its flow, the mean of the frames so aligned, and its level."""
    from burst.ops import registration as ops
    from burst.ops.shifts import global_shifts

    linear, noise, weights = burst.linear, burst.noise, burst.weights
    assert linear is not None
    assert noise is not None
    assert weights is not None
    key = int(weights.argmax())
    shifts = global_shifts(linear, key)
    cells = _coarse(linear, noise, shifts, key, config)
    cells, misfit = ops.register(linear, noise, cells, ops.FINE)
    flow = ops.recentre(ops.expand(cells, (linear.shape[1], linear.shape[2])))
    displacement = float(flow.square().mean().sqrt())
    level = Level(noise.std(MID_GREY), displacement)
    report = burst.report.note(
        reference=config.reference if config.reference == "mean" else f"key frame {key}",
        displacement_rms=displacement,
        shift=(shifts - shifts.mean(0)).tolist(),
        misfit=misfit,
        level={"noise": level.noise, "displacement": level.displacement},
    )
    if misfit > POOR_MISFIT:
        report = report.warn(
            f"After alignment frames still differ {misfit:.1f} times as much as noise explains:"
            " something moves, brightness changes, or blur varies strongly."
        )
    merged = ops.aligned_mean(linear, flow, weights)
    return replace(burst, flow=flow, merged=merged, level=level, report=report)


def _coarse(
    linear: torch.Tensor, noise: NoiseModel, shifts: torch.Tensor, key: int, config: Config
) -> torch.Tensor:
    """Return coarse cells, registered to what the settings say."""
    from burst.ops import registration as ops

    if config.reference == "mean":
        start = ops.cells_of(linear, shifts - shifts.mean(0))
        return ops.register(linear, noise, start, ops.COARSE)[0]
    start = ops.cells_of(linear, shifts)
    cells, _ = ops.register(linear, noise, start, ops.COARSE, reference=linear[key])
    # The key frame's own displacement is that of all others against it; a cell is a pixel here.
    return ops.recentre(cells / ops.CELL) * ops.CELL
