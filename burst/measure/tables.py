"""Markdown tables of raw numbers; functions shared by suites."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from burst.measure.results import Record

OURS, MEAN, ORACLE = "burst", "mean", "oracle"
CLASSICAL = "burst without network"
MIB = 2**20

Cells = Sequence[Sequence[str]]


def markdown(head: Sequence[str], rows: Cells) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row_each(records: Iterable[Record], columns: Sequence[tuple[str, str]]) -> str:
    """Return a table with a row for each record; a column is its title and the format of a cell,
    such as "{case[frames]}" or "{seconds:.2f}"."""
    rows = [[cell.format(**record) for _, cell in columns] for record in records]
    return markdown([title for title, _ in columns], rows)


def mean(values: Iterable[float | None]) -> float:
    """Return the mean of the values that are known; NaN without any."""
    known = [value for value in values if value is not None]
    return float(sum(known) / len(known)) if known else math.nan


def mean_of(records: Sequence[Record], method: str, figure: str) -> float:
    """Return the mean of a figure of a method over the records in which it did not fail."""
    return mean(figures_of(records, method, figure))


def figures_of(records: Sequence[Record], method: str, figure: str) -> list[Any]:
    """Return a figure of a method in each record in which it did not fail; None if it has none."""
    return [r["methods"][method].get(figure) for r in records if worked(r, method)]


def gap_closed(records: Sequence[Record], method: str, figure: str = "psnr") -> float:
    """Return the share (%) of the gap between plain mean and fair oracle that a method closes."""
    low, high = (mean_of(records, name, figure) for name in (MEAN, ORACLE))
    return 100 * (mean_of(records, method, figure) - low) / (high - low)


def grouped(
    records: Sequence[Record], key: str | Callable[[Record], str]
) -> dict[str, list[Record]]:
    """Return the records by a field of their cases, or by `key`, in order of appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        name = record["case"][key] if isinstance(key, str) else key(record)
        groups.setdefault(name, []).append(record)
    return groups


def is_target(record: Record) -> bool:
    """Whether a record is of a coded target."""
    return "bits" in record["methods"][OURS]


def worked(record: Record, method: str) -> bool:
    """Return whether a method gave an image."""
    return "failed" not in record["methods"][method]
