"""Simulated stacks by every method: scores, bits, seconds and memory of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch

from burst.data.targets import TargetLayout, decode
from burst.data.turbulence import SimulatedStack
from burst.measure.cost import NO_COST, Cost, measure_cost
from burst.measure.peers.baselines import BASELINES
from burst.measure.peers.find import Peer, peers_if, settings_with_peers
from burst.measure.peers.oracle import ORACLES
from burst.measure.plots import draw_seconds
from burst.measure.results import PeerError, Record
from burst.measure.scores import score, share_within
from burst.measure.stacks import Case, simulate_case, stack_cases
from burst.measure.stage_figures import stage_figures
from burst.measure.suite import Suite
from burst.measure.tables import (
    MIB,
    OURS,
    figures_of,
    gap_closed,
    grouped,
    is_target,
    markdown,
    mean,
    mean_of,
    worked,
)
from burst.measure.trace import methods_of, run_traced
from burst.pipeline import Pipeline
from burst.records import given


def measure(pipeline: Pipeline, peers: Mapping[str, Peer], case: Case) -> Record:
    """Simulate a case, run every method on it, and return the figures of each: the pipeline,
    baselines, peers by name, and oracles. All methods run on each stack in turn, so that a machine
    that slows down affects all of them."""
    simulated, layout = simulate_case(case)
    trace = run_traced(pipeline, simulated.stack)
    methods: dict[str, Any] = {}

    def add(name: str, work: Callable[[], torch.Tensor], before: Cost = NO_COST) -> None:
        image, cost = measure_cost(work)
        methods[name] = figures(image, before.then(cost), simulated, layout)

    for name, baseline in BASELINES.items():
        if baseline.after in trace.after:
            known = trace.after[baseline.after]
            add(name, partial(baseline.combine, known), trace.cost[baseline.after])
    for name, peer in peers.items():
        try:
            add(name, partial(peer, simulated.stack))
        except PeerError as error:
            # The page reports the failure; other methods have figures.
            methods[name] = {"failed": str(error)}
    for name, stage in methods_of(trace.after).items():
        made, cost = trace.after[stage], trace.cost[stage]
        methods[name] = figures(given(made.image), cost, simulated, layout, made.deviation)
    for name, oracle in ORACLES.items():
        add(name, partial(oracle, trace.after["noise"], simulated.truth))
    return {"methods": methods, "stages": stage_figures(trace.after, simulated)}


def figures(
    image: torch.Tensor,
    cost: Cost,
    simulated: SimulatedStack,
    layout: TargetLayout | None,
    deviation: torch.Tensor | None = None,
) -> Record:
    """Return scores, bits (of a coded target) and cost of a result [h, w]."""
    found: Record = asdict(score(image, simulated.truth.scene))
    if deviation is not None:
        found["within"] = share_within(image, deviation, simulated.truth.scene)
    if layout is not None:
        decoded = decode(image, layout, deviation)
        found["flagged"] = None if math.isnan(decoded.flagged) else decoded.flagged
        # JSON has no nan, the area of a size with only discs or only gaps.
        areas = [None if math.isnan(area) else area for area in decoded.auc]
        found.update(bits=decoded.share, shares=decoded.shares, auc=areas)
        found.update(diameters=decoded.diameters)
    return {**found, **asdict(cost)}


def _table(records: Sequence[Record]) -> str:
    parts = []
    for level, group in grouped(records, "level").items():
        images = [r for r in group if not is_target(r)]
        targets = [r for r in group if is_target(r)]
        if images:
            parts.append(f"### {level}: {len(images)} images\n\n{_score_table(images)}")
        if targets:
            parts.append(f"### {level}: {len(targets)} coded targets\n\n{_bit_table(targets)}")
    return "\n\n".join(parts)


def _score_table(records: Sequence[Record]) -> str:
    head = (
        "method", "PSNR dB", "gap closed", "PSNR without warp", "gap closed", "SSIM", "MTF50",
        "truth within 90 %", "seconds", "peak MiB",
    )  # fmt: skip
    rows = [
        [
            _label(records, method),
            f"{mean_of(records, method, 'psnr'):.2f}",
            f"{gap_closed(records, method):.0f} %",
            f"{mean_of(records, method, 'psnr_without_warp'):.2f}",
            f"{gap_closed(records, method, 'psnr_without_warp'):.0f} %",
            f"{mean_of(records, method, 'ssim'):.3f}",
            f"{mean_of(records, method, 'mtf50'):.3f}",
            _known(100 * mean_of(records, method, "within"), ".0f", " %"),
            f"{mean_of(records, method, 'seconds'):.1f}",
            _peak(records, method),
        ]
        for method in records[0]["methods"]
    ]
    return markdown(head, rows)


def _label(records: Sequence[Record], method: str) -> str:
    failed = sum(not worked(r, method) for r in records)
    return f"{method} ({failed} failed)" if failed else method


def _peak(records: Sequence[Record], method: str) -> str:
    known = [peak for peak in figures_of(records, method, "peak") if peak is not None]
    return f"{max(known) / MIB:.0f}" if known else "unknown"


def _bit_table(records: Sequence[Record]) -> str:
    diameters = records[0]["methods"][OURS]["diameters"]
    sizes = [f"{d:.0f} px" if d >= 10 else f"{d:.1f} px" for d in diameters]
    head = ["method", "PSNR dB", "bits right", "wrong bits flagged (AUC)"]
    head += [f"AUC {size}" for size in sizes]
    rows = []
    for method in records[0]["methods"]:
        # With only discs or only gaps there is no area under a curve.
        known = figures_of(records, method, "auc")
        areas = [mean(area[i] for area in known) for i in range(len(sizes))]
        rows.append(
            [
                _label(records, method),
                f"{mean_of(records, method, 'psnr'):.2f}",
                f"{100 * mean_of(records, method, 'bits'):.1f} %",
                *(_known(area, ".2f") for area in (mean_of(records, method, "flagged"), *areas)),
            ]
        )
    return markdown(head, rows)


def _known(figure: float, digits: str, unit: str = "") -> str:
    return "-" if math.isnan(figure) else f"{figure:{digits}}{unit}"


SUITE = Suite(
    title="Simulated stacks",
    cases=stack_cases,
    measure=lambda options: partial(measure, options.load(), peers_if(options.peers)),
    table=_table,
    notes="How each peer is installed stands in [peers.md](peers.md).",
    settings=settings_with_peers,
    plot=draw_seconds,
)
