"""Draw the page over many stacks: one row for each, in a table that sorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from burst.report.template import render_template

TEMPLATE = "overview.html.j2"


@dataclass(frozen=True)
class StackRow:
    """One stack: its name, links relative to the page, and measured values; None if unknown.

    `level` is the place and the name of a noise level; `noise` is a standard deviation at mid grey,
    of white; `displacement` is px rms; `psnr` is dB; `failure` says why there is no image.
    """

    name: str
    report: str | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    level: tuple[int, str] | None = None
    noise: float | None = None
    displacement: float | None = None
    psnr: float | None = None
    seconds: float | None = None
    warnings: Sequence[str] = ()
    failure: str = ""


def render_overview(title: str, version: str, rows: Sequence[StackRow]) -> str:
    """Return the page as text; failed stacks come first, as somebody has to look at them."""
    ordered = sorted(rows, key=lambda row: not row.failure)
    return render_template(
        TEMPLATE, title=title, version=version, facts=overview_facts(rows), rows=ordered
    )


def overview_facts(rows: Sequence[StackRow]) -> list[tuple[str, str]]:
    """Return label and value of the facts above the table."""
    done = [row for row in rows if not row.failure]
    facts = [("Stacks", str(len(rows))), ("Restored", str(len(done)))]
    if len(done) < len(rows):
        facts.append(("Failed", str(len(rows) - len(done))))
    facts.append(("With warnings", str(sum(bool(row.warnings) for row in done))))
    psnrs = [row.psnr for row in done if row.psnr is not None]
    seconds = [row.seconds for row in done if row.seconds is not None]
    if psnrs:
        facts.append((f"Mean PSNR of {len(psnrs)}", f"{fmean(psnrs):.2f} dB"))
    if seconds:
        facts.append(("Time, median", f"{median(seconds):.1f} s"))
    return facts
