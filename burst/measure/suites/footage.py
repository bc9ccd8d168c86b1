"""Real sequences without a truth: --images are stacks, each a file or a folder of frames.

Does a result show what its frames do not: rings beside edges, a lattice, clipped parts?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from burst.files.read import read_stack
from burst.measure.artefacts import find_artefacts
from burst.measure.results import Record
from burst.measure.suite import Options, Suite
from burst.measure.tables import CLASSICAL, OURS, markdown
from burst.measure.trace import NETWORK
from burst.ops.color import display_to_linear
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, given
from burst.settings import ConfigError

# True scenes reach 7 % and 13 dB against their blurred images, those with text the most: detail
# that blur had hidden beside edges counts as well. Percent, dB, percent.
MOST_RINGING, MOST_LATTICE, MOST_CLIPPED = 10.0, 15.0, 0.5


@dataclass(frozen=True)
class Footage:
    """A sequence that somebody recorded."""

    path: str

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        return Path(self.path).name


@dataclass(frozen=True)
class FootageBench:
    """The pipeline that is put to the test."""

    pipeline: Pipeline

    def measure(self, case: Footage) -> Record:
        """Restore a sequence and return the artefacts, with and without the network."""
        stack = read_stack(Path(case.path))
        after: dict[str, Burst] = {}
        self.pipeline.run(Burst(stack), lambda step, burst: after.update({step.name: burst}))
        stages = list(after)
        made = {OURS: stages[-1]}
        if stages[-1] == NETWORK:
            made = {CLASSICAL: stages[-2], **made}
        merged = _linear(given(after[stages[-1]].merged), stack)
        return {
            name: asdict(find_artefacts(_linear(given(after[stage].image), stack), merged))
            for name, stage in made.items()
        }


def _linear(image: torch.Tensor, stack: Stack) -> torch.Tensor:
    return display_to_linear(image) if stack.sensor.transfer == "srgb" else image


def _cases(options: Options) -> list[Footage]:
    if not options.images:
        raise ConfigError("--suite footage: expected stacks, found none. Pass --images.")
    return [Footage(path) for path in options.images]


def _bench(options: Options) -> Callable[[Footage], Record]:
    return FootageBench(options.load()).measure


def _table(records: Sequence[Record]) -> str:
    head = ("sequence", "method", "ringing, %", "lattice, dB", "clipped, %", "gradients, times")
    rows = [
        [
            Path(record["case"]["path"]).name,
            name,
            f"{found['ringing']:.1f}",
            f"{found['lattice']:.1f}",
            f"{found['clipped']:.2f}",
            f"{found['sharpness']:.2f}",
        ]
        for record in records
        for name, found in record.items()
        if name in (CLASSICAL, OURS)
    ]
    return markdown(head, rows)


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
    cases=_cases,
    measure=_bench,
    table=_table,
    notes=(
        "What a result shows beyond the merged image of the same frames (see"
        " `burst/measure/artefacts.py`): rms beside strong edges where the merged image is flat, in"
        " percent of their contrast; by how much a single peak of the spectrum grew; pixels"
        " clipped; how much steeper the image is."
    ),
    finish=_finish,
)
