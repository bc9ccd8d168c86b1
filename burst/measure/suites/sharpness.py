"""Sharpness of charts: MTF50 of slanted edges and Siemens stars seen through turbulence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from burst.data.charts import CHARTS, STAR, edges_of
from burst.measure.mtf import edge_mtf, star_mtf
from burst.measure.peers.baselines import plain_mean
from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case
from burst.measure.suite import Options, Suite
from burst.measure.tables import MEAN, grouped, markdown, mean_of
from burst.measure.trace import after_each, methods_of
from burst.pipeline import Pipeline
from burst.records import given

TRUTH = "truth"
SMALLEST_CHART = 184  # px; in smaller charts the profile of an edge exceeds the chart


def measure(pipeline: Pipeline, case: Case) -> Record:
    """Simulate a chart and return MTF50 (cycles per pixel) and peak of every method's MTF: of the
    pipeline, with and without its network, between the plain mean and the truth."""
    simulated, _ = simulate_case(case)
    after = after_each(pipeline, simulated.stack)
    images = {
        MEAN: plain_mean(simulated.stack),
        **{name: given(after[stage].image) for name, stage in methods_of(after).items()},
        TRUTH: simulated.truth.scene,
    }
    return {"methods": {name: sharpness(case, image) for name, image in images.items()}}


def sharpness(case: Case, image: torch.Tensor) -> Record:
    """Return MTF50 and peak of the MTF of an image [h, w], linear, of a case's chart."""
    pixels = image.double().cpu().numpy()
    star = case.image == STAR
    found = star_mtf(pixels) if star else edge_mtf(pixels, edges_of(case.size))
    return {"mtf50": found.mtf50, "peak": found.peak}


def _cases(options: Options) -> list[Case]:
    """Return every chart at every level, each with several realisations of the air."""
    return [
        Case(chart, level, options.seed + i, options.frames, options.size)
        for i in range(options.per_level)
        for chart in CHARTS
        for level in options.levels
    ]


def _table(records: Sequence[Record]) -> str:
    parts = []
    for chart, own in grouped(records, "image").items():
        groups = grouped(own, "level")
        rows = []
        for method in records[0]["methods"]:
            figures = [
                (mean_of(group, method, "mtf50"), mean_of(group, method, "peak"))
                for group in groups.values()
            ]
            rows.append([method, *(f"{mtf50:.3f} ({peak:.2f})" for mtf50, peak in figures)])
        parts.append(markdown([f"{chart}: MTF50 (peak)", *groups], rows))
    return "\n\n".join(parts)


SUITE = Suite(
    title="How sharp charts come out",
    cases=_cases,
    measure=lambda options: partial(measure, options.load()),
    table=_table,
    notes=(
        "MTF50, in cycles per pixel, as a camera's is measured (ISO 12233): of sixteen slanted"
        " edges and of a Siemens star, each seen through several airs, and the peak of the MTF (see"
        " `burst/measure/mtf.py`). A peak above 1 is overshoot, which makes MTF50 larger than"
        " the detail that is there."
    ),
    smallest=SMALLEST_CHART,
)
