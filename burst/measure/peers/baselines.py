"""Simple baselines: the best frame, and averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from burst.ops.alignment.registration import aligned_mean
from burst.ops.noise import to_linear
from burst.records import Burst, Stack, given

TRIMMED_SHARE = 0.2  # of the frames, at either end


@dataclass(frozen=True)
class Baseline:
    """A function of a burst, and the last stage that must run before it ("" for none)."""

    after: str
    combine: Callable[[Burst], torch.Tensor]


def plain_mean(stack: Stack) -> torch.Tensor:
    """Return the linear mean [h, w] of all frames, which is what averaging alone gives."""
    return to_linear(stack.frames, stack.sensor).mean(0)


def trimmed_mean(burst: Burst) -> torch.Tensor:
    """Return the linear mean [h, w] of each pixel's middle values."""
    ordered = to_linear(burst.stack.frames, burst.stack.sensor).sort(dim=0).values
    left_out = int(TRIMMED_SHARE * len(ordered))
    return ordered[left_out : len(ordered) - left_out].mean(0)


def best_frame(burst: Burst) -> torch.Tensor:
    """Return the sharpest frame [h, w], noise not counted."""
    linear, sharpness = given(burst.linear), given(burst.selection).sharpness
    return linear[int(torch.tensor([sharpness[k] for k in burst.numbers]).argmax())]


def registered_mean(burst: Burst) -> torch.Tensor:
    """Return the weighted mean [h, w] of the aligned frames, still blurred."""
    return aligned_mean(given(burst.linear), given(burst.flow), given(burst.weights))


BASELINES = {
    "best frame": Baseline("select", best_frame),
    "mean": Baseline("", lambda burst: plain_mean(burst.stack)),
    "trimmed mean": Baseline("", trimmed_mean),
    "median": Baseline(
        "", lambda burst: to_linear(burst.stack.frames, burst.stack.sensor).median(0).values
    ),
    "registered mean": Baseline("align", registered_mean),
}
