"""The accuracy of every stage, measured against the truth of the simulation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case, stack_cases
from burst.measure.stage_figures import FIGURES, stage_figures
from burst.measure.suite import Suite
from burst.measure.tables import grouped, markdown, mean
from burst.measure.trace import after_each
from burst.pipeline import Pipeline


def measure(pipeline: Pipeline, case: Case) -> Record:
    """Return the figures of every stage on one stack."""
    simulated, _ = simulate_case(case)
    return {"stages": stage_figures(after_each(pipeline, simulated.stack), simulated)}


def _table(records: Sequence[Record]) -> str:
    groups = grouped(records, "level")
    rows = []
    for figure, label in FIGURES.items():
        cells = [_figure([r["stages"].get(figure) for r in group]) for group in groups.values()]
        rows.append([label, *cells])
    return markdown(["mean (least to most)", *groups], rows)


def _figure(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{mean(known):.2f} ({min(known):.2f} to {max(known):.2f})" if known else "-"


SUITE = Suite(
    title="Every stage against the truth",
    cases=stack_cases,
    measure=lambda options: partial(measure, options.load()),
    table=_table,
    filled_by="synthetic",
)
