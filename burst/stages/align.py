"""Register every frame to one reference: global shift, then a dense displacement field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from burst.records import MID_GREY, Level

if TYPE_CHECKING:
    import torch

    from burst.records import Burst, NoiseModel

NEEDS = ("linear", "noise", "weights")
GIVES = ("flow", "level")

POOR_MISFIT = 4.0  # variance of what alignment leaves, in units of the noise


@dataclass(frozen=True)
class Config:
    """What the frames are registered to.

    reference  "mean" of the frames, refined as they align; "key" starts from the sharpest frame,
               whose own displacement is taken out afterwards; "auto" takes the one that fits better
    """

    reference: Literal["auto", "mean", "key"] = "auto"


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with its flow, and its level from noise and displacement."""
    from burst.ops import registration as ops

    linear, noise, weights = burst.linear, burst.noise, burst.weights
    assert linear is not None
    assert noise is not None
    assert weights is not None
    key = int(weights.argmax())
    shifts = ops.global_shifts(linear, key)
    cells, reference = _coarse(linear, noise, shifts, key, config)
    cells, misfit = ops.register(linear, noise, cells, ops.FINE)
    flow = ops.recentre(ops.expand(cells, (linear.shape[1], linear.shape[2])))
    displacement = float(flow.square().mean().sqrt())
    level = Level(noise.std(MID_GREY), displacement)
    report = burst.report.note(
        reference=reference,
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
    return replace(burst, flow=flow, level=level, report=report)


def _coarse(
    linear: torch.Tensor, noise: NoiseModel, shifts: torch.Tensor, key: int, config: Config
) -> tuple[torch.Tensor, str]:
    """Return coarse cells and the name of the reference they came from."""
    from burst.ops import registration as ops

    def from_mean() -> tuple[torch.Tensor, float]:
        start = ops.cells_of(linear, shifts - shifts.mean(0))
        return ops.register(linear, noise, start, ops.COARSE)

    def from_key() -> tuple[torch.Tensor, float]:
        start, _ = ops.register(
            linear, noise, ops.cells_of(linear, shifts), ops.COARSE, reference=linear[key]
        )
        # One more look at the mean makes the two comparable and takes out the key's own warp.
        centred = ops.recentre(start / ops.CELL) * ops.CELL  # a cell is the pixel of this grid
        return ops.register(linear, noise, centred, ops.COARSE[-1:])

    if config.reference == "mean":
        return from_mean()[0], "mean"
    if config.reference == "key":
        return from_key()[0], f"key frame {key}"
    (mean, mean_misfit), (keyed, key_misfit) = from_mean(), from_key()
    if mean_misfit <= key_misfit:
        return mean, "mean"
    return keyed, f"key frame {key}"
