"""One simulated stack through every method: scores, bits, seconds and memory of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from burst.data.targets import Layout, decode
from burst.data.turbulence import Simulated
from burst.measure.cost import FREE, Cost, measured, resident
from burst.measure.peers.baselines import BASELINES
from burst.measure.peers.find import Peer
from burst.measure.peers.oracle import ORACLES
from burst.measure.peers.programs import PeerError
from burst.measure.results import Record
from burst.measure.scores import score
from burst.measure.stacks import Case, simulate_case
from burst.measure.suites.stages import stage_figures
from burst.measure.tables import CLASSICAL, OURS
from burst.pipeline import Pipeline, run_step
from burst.records import Burst, Stack

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


@dataclass(frozen=True)
class Bench:
    """What is compared: our pipeline, baselines (always) and peers by name."""

    pipeline: Pipeline
    peers: Mapping[str, Peer]

    def measure(self, case: Case) -> Record:
        """Simulate a case, run every method on it, and return the figures of each.

        The methods take turns on every stack, so that a machine that slows down slows all of them.
        """
        simulated, layout = simulate_case(case)
        trace = run_traced(self.pipeline, simulated.stack)
        methods: dict[str, Any] = {}

        def add(name: str, work: Callable[[], torch.Tensor], before: Cost = FREE) -> None:
            image, cost = measured(work)
            methods[name] = figures(image, before.then(cost), simulated, layout)

        for name, baseline in BASELINES.items():
            if baseline.after in trace.after:
                known = trace.after[baseline.after]
                add(name, partial(baseline.combine, known), trace.cost[baseline.after])
        for name, peer in self.peers.items():
            try:
                add(name, partial(peer, simulated.stack))
            except PeerError as error:
                # The page says so; the others still have their figures.
                methods[name] = {"failed": str(error)}
        for name, stage in ours_of(trace).items():
            image = image_of(trace.after[stage])
            methods[name] = figures(image, trace.cost[stage], simulated, layout)
        for name, oracle in ORACLES.items():
            add(name, partial(oracle, trace.after["noise"], simulated.truth))
        return {"methods": methods, "stages": stage_figures(stages_of(trace), simulated)}

    def measure_stages(self, case: Case) -> Record:
        """Simulate a case, run the pipeline alone, and return how right each stage is."""
        simulated, _ = simulate_case(case)
        trace = run_traced(self.pipeline, simulated.stack)
        return {"stages": stage_figures(stages_of(trace), simulated)}


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


def figures(image: torch.Tensor, cost: Cost, simulated: Simulated, layout: Layout | None) -> Record:
    """Return scores, bits (of a coded target) and cost of one result [h, w]."""
    found: Record = asdict(score(image, simulated.truth.scene))
    if layout is not None:
        decoded = decode(image, layout)
        # JSON knows no nan, which a size with only discs or only gaps has.
        areas = [None if math.isnan(area) else area for area in decoded.auc]
        found.update(bits=decoded.share, shares=decoded.shares, auc=areas)
        found.update(diameters=decoded.diameters)
    return {**found, **asdict(cost)}


def stages_of(trace: Trace) -> dict[str, Burst]:
    """Return the burst after each stage, the untouched one left out."""
    return {name: burst for name, burst in trace.after.items() if name != NOTHING}


def image_of(burst: Burst) -> torch.Tensor:
    """Return the result [h, w] of a burst whose pipeline is whole."""
    assert burst.image is not None
    return burst.image
