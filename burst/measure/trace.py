"""Run a pipeline stage by stage: the burst after each stage, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch

from burst.measure.cost import NO_COST, Cost, measure_cost, resident
from burst.measure.tables import CLASSICAL, OURS
from burst.ops.color import display_to_linear
from burst.pipeline import Pipeline, run_step
from burst.records import Burst, Stack

NETWORK = "fuse"
START = ""  # key of the burst before the first stage


@dataclass(frozen=True)
class Trace:
    """The burst before the first stage and after each, and the cost of all stages up to there."""

    after: Mapping[str, Burst]
    cost: Mapping[str, Cost]


def run_traced(pipeline: Pipeline, stack: Stack) -> Trace:
    """Run a pipeline and keep the burst after each stage."""
    base = resident()
    after, cost = {START: Burst(stack)}, {START: NO_COST}
    for step in pipeline.steps:
        before = list(after)[-1]
        after[step.name], spent = measure_cost(partial(run_step, step, after[before]), base)
        cost[step.name] = cost[before].then(spent)
    return Trace(after, cost)


def after_each(pipeline: Pipeline, stack: Stack) -> dict[str, Burst]:
    """Run a pipeline as `burst run` does, and return the burst after each stage."""
    after: dict[str, Burst] = {}
    pipeline.run(Burst(stack), lambda step, burst: after.update({step.name: burst}))
    return after


def methods_of(after: Mapping[str, Burst]) -> dict[str, str]:
    """Return the stage that made the image, of the pipeline with and without its network."""
    stages = list(after)
    without = {CLASSICAL: stages[-2]} if stages[-1] == NETWORK else {}
    return {**without, OURS: stages[-1]}


def in_linear_light(image: torch.Tensor, stack: Stack) -> torch.Tensor:
    """Return an image of a stack, of any shape, in linear light."""
    return display_to_linear(image) if stack.sensor.transfer == "srgb" else image
