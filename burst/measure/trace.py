"""Run a pipeline stage by stage: the burst after each stage, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch

from burst.measure.cost import NO_COST, Cost, measure_cost, resident
from burst.measure.tables import CLASSICAL, OURS
from burst.pipeline import Pipeline, run_step
from burst.records import Burst, Stack, given

NETWORK = "fuse"
START = ""  # key of the burst before the first stage


@dataclass(frozen=True)
class Trace:
    """The burst after each stage, and the cost of all stages up to there."""

    after: Mapping[str, Burst]
    cost: Mapping[str, Cost]

    @property
    def last(self) -> str:
        """The name of the last stage."""
        return list(self.after)[-1]


def run_traced(pipeline: Pipeline, stack: Stack) -> Trace:
    """Run a pipeline and keep the burst after each stage."""
    base = resident()
    after, cost = {START: Burst(stack)}, {START: NO_COST}
    for step in pipeline.steps:
        before = list(after)[-1]
        after[step.name], spent = measure_cost(partial(run_step, step, after[before]), base)
        cost[step.name] = cost[before].then(spent)
    return Trace(after, cost)


def methods_of(trace: Trace) -> dict[str, str]:
    """Return the pipeline with and without its network, by name, as the stage that made
    the image."""
    stages = list(trace.after)
    without = {CLASSICAL: stages[-2]} if stages[-1] == NETWORK else {}
    return {**without, OURS: stages[-1]}


def stages_of(trace: Trace) -> dict[str, Burst]:
    """Return the burst after each stage, without the one before the first."""
    return {name: burst for name, burst in trace.after.items() if name != START}


def image_of(burst: Burst) -> torch.Tensor:
    """Return the result [h, w] of a burst whose pipeline is whole."""
    return given(burst.image)
