"""The tables of worlds: what came out, and what came out worse than it went in."""

from __future__ import annotations

import math
from collections.abc import Sequence

from burst.measure.results import Record
from burst.measure.tables import CLASSICAL, OURS, markdown

MERGED, TOLD, TOLD_CLASSICAL = "merged", "burst, PSF told", "without network, PSF told"
HARM = 0.1  # dB below the merged image
RIGHT_WIDTH = 0.15  # log
SHARP = 0.36  # cycles per pixel: resampling alone brings merged images of no blur down to it
METHODS = (MERGED, CLASSICAL, OURS, TOLD_CLASSICAL, TOLD)


def worlds_table(records: Sequence[Record]) -> str:
    """Return PSNR by world and method, and how often a method did harm."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["world"], []).append(record)
    return f"{_scores(groups)}\n\n### Worse than the merged image\n\n{_harm(records)}"


def harm(record: Record, method: str) -> float:
    """Return by how many dB a method's image is worse than the merged one; below 0 it is better."""
    methods = record["methods"]
    return float(methods[MERGED]["psnr"] - methods[method]["psnr"])


def width_error(record: Record) -> float | None:
    """Return the log error of the width that was believed; None where none was."""
    believed, true = record["half_height_believed"], record["half_height"]
    if believed is None:
        return None
    # Beyond what interpolation leaves of a sharp image there is no blur to measure.
    return float(math.log(min(believed, SHARP) / min(true, SHARP)))


def _scores(groups: dict[str, list[Record]]) -> str:
    head = (
        "world",
        "stacks",
        *(f"{name}, dB" for name in METHODS),
        "width within 15 %",
        "truth within 90 %",
    )
    rows = []
    for world, group in groups.items():
        errors = [error for record in group if (error := width_error(record)) is not None]
        right = sum(abs(error) < RIGHT_WIDTH for error in errors)
        cells = [_mean(group, name) for name in METHODS]
        inside = [r["within"] for r in group if r.get("within") is not None]
        held = f"{100 * sum(inside) / len(inside):.0f} %" if inside else "-"
        rows.append([world, str(len(group)), *cells, f"{right} of {len(errors)}", held])
    return markdown(head, rows)


def _harm(records: Sequence[Record]) -> str:
    head = ("method", "stacks", f"worse by over {HARM} dB", "most, dB", "least gain, dB")
    rows = []
    for name in METHODS[1:]:
        losses = [harm(record, name) for record in records if name in record["methods"]]
        if losses:
            worse = sum(loss > HARM for loss in losses)
            most = max(losses)
            told = f"{most:.2f}" if most > 0 else "-"
            rows.append([name, str(len(losses)), str(worse), told, f"{-most:+.2f}"])
    return markdown(head, rows)


def _mean(group: Sequence[Record], method: str) -> str:
    values = [r["methods"][method]["psnr"] for r in group if method in r["methods"]]
    return f"{sum(values) / len(values):.2f}" if values else "-"
