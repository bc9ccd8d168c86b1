"""The accuracy of every stage, measured against the truth of the simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case, stack_cases
from burst.measure.stage_figures import FIGURES, stage_figures
from burst.measure.suite import Options, Suite
from burst.measure.tables import by_level, markdown
from burst.measure.trace import run_traced, stages_of


def _bench(options: Options) -> Callable[[Case], Record]:
    pipeline = options.load()

    def measure(case: Case) -> Record:
        simulated, _ = simulate_case(case)
        trace = run_traced(pipeline, simulated.stack)
        return {"stages": stage_figures(stages_of(trace), simulated)}

    return measure


def _table(records: Sequence[Record]) -> str:
    groups = by_level(records)
    rows = []
    for figure, label in FIGURES.items():
        cells = [_figure([r["stages"].get(figure) for r in group]) for group in groups.values()]
        rows.append([label, *cells])
    return markdown(["mean (least to most)", *groups], rows)


def _figure(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    return f"{sum(known) / len(known):.2f} ({min(known):.2f} to {max(known):.2f})"


SUITE = Suite(
    title="Every stage against the truth",
    cases=stack_cases,
    measure=_bench,
    table=_table,
    filled_by="synthetic",
)
