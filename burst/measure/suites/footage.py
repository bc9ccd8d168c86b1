"""Real sequences without a truth: --images are stacks, each a file or a folder of frames.

Does a result show what its frames do not: rings beside edges, a lattice, clipped parts?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from burst.files.read import read_stack
from burst.measure.artefacts import find_artefacts
from burst.measure.results import Record
from burst.measure.suite import Footage, Options, Suite
from burst.measure.tables import CLASSICAL, OURS, row_each
from burst.measure.trace import after_each, in_linear_light, methods_of
from burst.pipeline import Pipeline
from burst.records import given

# True scenes reach 7 % and 13 dB against their blurred images, those with text the most: detail
# that blur had hidden beside edges counts as well. Percent, dB, percent.
MOST_RINGING, MOST_LATTICE, MOST_CLIPPED = 10.0, 15.0, 0.5


def measure(pipeline: Pipeline, case: Footage) -> Record:
    """Restore a sequence and return the artefacts, with and without the network."""
    stack = read_stack(Path(case.path))
    after = after_each(pipeline, stack)
    methods = methods_of(after)
    merged = in_linear_light(given(after[methods[OURS]].merged), stack)
    return {
        name: asdict(find_artefacts(in_linear_light(given(after[stage].image), stack), merged))
        for name, stage in methods.items()
    }


def _table(records: Sequence[Record]) -> str:
    columns = (
        ("sequence", "{sequence}"),
        ("method", "{method}"),
        ("ringing, %", "{ringing:.1f}"),
        ("lattice, dB", "{lattice:.1f}"),
        ("clipped, %", "{clipped:.2f}"),
        ("gradients, times", "{sharpness:.2f}"),
    )
    rows = (
        {"sequence": Path(record["case"]["path"]).name, "method": name, **found}
        for record in records
        for name, found in record.items()
        if name in (CLASSICAL, OURS)
    )
    return row_each(rows, columns)


def _finish(options: Options, records: Sequence[Record]) -> list[str]:
    limits = {"ringing": MOST_RINGING, "lattice": MOST_LATTICE, "clipped": MOST_CLIPPED}
    return [
        f"{Path(record['case']['path']).name}: {what} of {record[OURS][what]:.1f} is to be seen"
        for record in records
        for what, most in limits.items()
        if record[OURS][what] > most
    ]


SUITE = Suite(
    title="Real sequences without a truth",
    cases=lambda options: options.footage("footage", "stacks"),
    measure=lambda options: partial(measure, options.load()),
    table=_table,
    notes=(
        "What a result shows beyond the merged image of the same frames (see"
        " `burst/measure/artefacts.py`): rms beside strong edges where the merged image is flat, in"
        " percent of their contrast; by how much a single peak of the spectrum grew; pixels"
        " clipped; how much steeper the image is."
    ),
    finish=_finish,
)
