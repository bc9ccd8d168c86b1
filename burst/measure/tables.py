"""Markdown tables of raw numbers; functions shared by suites."""

from __future__ import annotations

import math
from collections.abc import Sequence

from burst.measure.results import Record

OURS, MEAN, ORACLE = "burst", "mean", "oracle"
CLASSICAL = "burst without network"
MIB = 2**20

Cells = Sequence[Sequence[str]]


def markdown(head: Sequence[str], rows: Cells) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean_of(records: Sequence[Record], method: str, figure: str) -> float:
    """Return the mean of a figure of a method over the records in which it did not fail."""
    values = [r["methods"][method][figure] for r in records if worked(r, method)]
    return float(sum(values) / len(values)) if values else math.nan


def gap_closed(records: Sequence[Record], method: str, figure: str = "psnr") -> float:
    """Return the share (%) of the gap between plain mean and fair oracle that a method closes."""
    low, high = (mean_of(records, name, figure) for name in (MEAN, ORACLE))
    return 100 * (mean_of(records, method, figure) - low) / (high - low)


def by_level(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the records of each level, in order of appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["case"]["level"], []).append(record)
    return groups


def is_target(record: Record) -> bool:
    """Whether a record is of a coded target."""
    return "bits" in record["methods"][OURS]


def worked(record: Record, method: str) -> bool:
    """Return whether a method gave an image."""
    return "failed" not in record["methods"][method]
