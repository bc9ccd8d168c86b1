"""Recorded sequences of rolling shutters with truths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from burst.files.layouts.find import list_sequences
from burst.files.sequence import Sequence as Recorded
from burst.measure.results import Record
from burst.measure.rolling import ShutterBench, moments_table
from burst.measure.suite import Suite, rolling_text
from burst.measure.tables import grouped, markdown, mean_of
from burst.pipeline import load
from burst.records import StackError


@dataclass(frozen=True)
class SequenceTruth:
    """One truth of one sequence below a folder."""

    folder: str
    sequence: str
    truth: int

    @property
    def name(self) -> str:
        """The sequence and the number of its truth."""
        return f"{self.sequence}, truth {self.truth}"

    def read(self) -> Recorded:
        """Return the frames near the truth, and only that truth."""
        return _read(self.folder, self.sequence).near(self.truth)


def truths_in(folders: Sequence[str]) -> list[SequenceTruth]:
    """Return every truth of every sequence in folders; StackError if there is none."""
    found = [
        SequenceTruth(folder, listed.name, index)
        for folder in folders
        for listed in list_sequences(Path(folder))
        for index in range(len(_read(folder, listed.name).truth_frame))
    ]
    if not found:
        raise StackError(
            f"--images {' '.join(folders)}: expected sequences with truths, found none."
        )
    return found


@lru_cache(maxsize=1)
def _read(folder: str, sequence: str) -> Recorded:
    """Return a sequence; the last one is cached, as its truths are measured in a row."""
    return {one.name: one for one in list_sequences(Path(folder))}[sequence].read()


def _table(records: Sequence[Record]) -> str:
    """Return a table of means for each share of the readout, then PSNR of each sequence."""
    parts = []
    for share in sorted({record["share"] for record in records}):
        group = [record for record in records if record["share"] == share]
        where = {0.0: "first row", 0.5: "middle row", 1.0: "last row"}.get(share, f"{share:.2f}")
        parts.append(
            f"### At the time of the {where}: {len(group)} images\n\n{moments_table(group)}"
        )
    return "\n\n".join([*parts, f"### By sequence\n\n{_by_sequence(records)}"])


def _by_sequence(records: Sequence[Record]) -> str:
    methods = dict.fromkeys(name for r in records for name in r["methods"])
    rows = []
    for sequence, group in grouped(records, "sequence").items():
        ratios = {f"{r['readout_ratio']:.3g}" for r in group}
        cells = [
            f"{mean_of([r for r in group if m in r['methods']], m, 'psnr'):.2f}" for m in methods
        ]
        rows.append([sequence, ", ".join(sorted(ratios)), str(len(group)), *cells])
    return markdown(["sequence", "readout ratio", "images", *(f"{m}, dB" for m in methods)], rows)


SUITE = Suite(
    title="Rolling shutters",
    cases=lambda options: truths_in(options.needed_images("shutter", "folders of sequences")),
    measure=lambda options: ShutterBench(load, options.settings).measure,
    table=_table,
    notes=(
        "Scored as the literature does: display-encoded, nothing fitted; border 20 px; thirds of"
        " the rows. Seconds are those of one image with all matching, on the threads named above."
        ' "frame" is the frame as it was read; "DIS, constant velocity" the simplest solver.'
    ),
    settings=rolling_text,
)
