"""Simple baselines: the best frame, and averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from burst.ops.alignment.registration import aligned_mean
from burst.ops.noise import to_linear
from burst.records import Burst, Stack

TRIMMED_SHARE = 0.2  # of the frames, at either end


@dataclass(frozen=True)
class Baseline:
    """A function of a burst, and the last stage that must run before it ("" for none)."""

    after: str
    combine: Callable[[Burst], torch.Tensor]


def plain_mean(stack: Stack) -> torch.Tensor:
    """Return the linear mean [h, w] of all frames."""
    return _linear(stack).mean(0)


def trimmed_mean(burst: Burst) -> torch.Tensor:
    """Return the linear mean [h, w] of each pixel's middle values."""
    ordered = _linear(burst.stack).sort(dim=0).values
    left_out = int(TRIMMED_SHARE * len(ordered))
    return ordered[left_out : len(ordered) - left_out].mean(0)


def best_frame(burst: Burst) -> torch.Tensor:
    """Return the frame [h, w] with the highest sharpness above noise."""
    assert burst.linear is not None
    # Dropped frames have no sharpness.
    sharpness = [s for s in burst.report.numbers("select")["sharpness"] if s is not None]
    return burst.linear[int(torch.as_tensor(sharpness).argmax())]


def registered_mean(burst: Burst) -> torch.Tensor:
    """Return the weighted mean [h, w] of the aligned frames, without deconvolution."""
    assert burst.linear is not None
    assert burst.flow is not None
    assert burst.weights is not None
    return aligned_mean(burst.linear, burst.flow, burst.weights)


BASELINES = {
    "best frame": Baseline("select", best_frame),
    "mean": Baseline("", lambda burst: plain_mean(burst.stack)),
    "trimmed mean": Baseline("", trimmed_mean),
    "median": Baseline("", lambda burst: _linear(burst.stack).median(0).values),
    "registered mean": Baseline("align", registered_mean),
}


def _linear(stack: Stack) -> torch.Tensor:
    return to_linear(stack.frames, float(stack.sensor.black_levels[0]), stack.sensor.white_level)
