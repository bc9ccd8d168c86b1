"""A pipeline's run, stage by stage: the burst as each stage left it, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch

from burst.measure.cost import FREE, Cost, measured, resident
from burst.measure.tables import CLASSICAL, OURS
from burst.pipeline import Pipeline, run_step
from burst.records import Burst, Stack, given

NETWORK = "fuse"
NOTHING = ""  # the name under which the burst stands before any stage


@dataclass(frozen=True)
class Trace:
    """The burst as each stage left it, and the cost of all stages up to there."""

    after: Mapping[str, Burst]
    cost: Mapping[str, Cost]

    @property
    def last(self) -> str:
        """The name of the last stage."""
        return list(self.after)[-1]


def run_traced(pipeline: Pipeline, stack: Stack) -> Trace:
    """Run a pipeline and keep what each stage left."""
    base = resident()
    after, cost = {NOTHING: Burst(stack)}, {NOTHING: FREE}
    for step in pipeline.steps:
        before = list(after)[-1]
        after[step.name], spent = measured(partial(run_step, step, after[before]), base)
        cost[step.name] = cost[before].then(spent)
    return Trace(after, cost)


def ours_of(trace: Trace) -> dict[str, str]:
    """Return our methods by name, each with the stage whose image it is."""
    stages = list(trace.after)
    without = {CLASSICAL: stages[-2]} if stages[-1] == NETWORK else {}
    return {**without, OURS: stages[-1]}


def stages_of(trace: Trace) -> dict[str, Burst]:
    """Return the burst after each stage, the untouched one left out."""
    return {name: burst for name, burst in trace.after.items() if name != NOTHING}


def image_of(burst: Burst) -> torch.Tensor:
    """Return the result [h, w] of a burst whose pipeline is whole."""
    return given(burst.image)
