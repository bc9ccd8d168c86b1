"""Raw numbers become tables in Markdown; every suite has its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from burst.measure.results import Record

OURS, MEAN, ORACLE = "burst", "mean", "oracle"
CLASSICAL = "burst without network"
MIB = 2**20

Cells = Sequence[Sequence[str]]


def tables(suite: str, records: Sequence[Record]) -> str:
    """Return the tables of a suite."""
    return TABLES[suite](records) if records else "Nothing measured."


def markdown(head: Sequence[str], rows: Cells) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean_of(records: Sequence[Record], method: str, figure: str) -> float:
    """Return the mean of a figure of a method over the records in which it did not fail."""
    values = [r["methods"][method][figure] for r in records if _worked(r, method)]
    return float(sum(values) / len(values)) if values else math.nan


def gap_closed(records: Sequence[Record], method: str, figure: str = "psnr") -> float:
    """Return which share (%) of the gap between plain mean and fair oracle a method closes."""
    low, high = (mean_of(records, name, figure) for name in (MEAN, ORACLE))
    return 100 * (mean_of(records, method, figure) - low) / (high - low)


def by_level(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the records of each level, in the order in which they come."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["case"]["level"], []).append(record)
    return groups


def is_target(record: Record) -> bool:
    """Whether a record is of a coded target."""
    return "bits" in record["methods"][OURS]


def _worked(record: Record, method: str) -> bool:
    return "failed" not in record["methods"][method]


def _label(records: Sequence[Record], method: str) -> str:
    failed = sum(not _worked(r, method) for r in records)
    return f"{method} ({failed} failed)" if failed else method


def _synthetic(records: Sequence[Record]) -> str:
    parts = []
    for level, group in by_level(records).items():
        images = [r for r in group if not is_target(r)]
        targets = [r for r in group if is_target(r)]
        if images:
            parts.append(f"### {level}: {len(images)} images\n\n{_score_table(images)}")
        if targets:
            parts.append(f"### {level}: {len(targets)} coded targets\n\n{_bit_table(targets)}")
    return "\n\n".join(parts)


def _score_table(records: Sequence[Record]) -> str:
    head = (
        "method", "PSNR dB", "gap closed", "PSNR without warp", "gap closed", "SSIM", "MTF50",
        "seconds", "peak MiB",
    )  # fmt: skip
    rows = []
    for method in records[0]["methods"]:
        plain, straight, ssim, mtf50, seconds = (
            mean_of(records, method, figure)
            for figure in ("psnr", "psnr_without_warp", "ssim", "mtf50", "seconds")
        )
        rows.append(
            [
                _label(records, method),
                f"{plain:.2f}",
                f"{gap_closed(records, method):.0f} %",
                f"{straight:.2f}",
                f"{gap_closed(records, method, 'psnr_without_warp'):.0f} %",
                f"{ssim:.3f}",
                f"{mtf50:.3f}",
                f"{seconds:.1f}",
                _peak(records, method),
            ]
        )
    return markdown(head, rows)


def _peak(records: Sequence[Record], method: str) -> str:
    peaks = [r["methods"][method]["peak"] for r in records if _worked(r, method)]
    known = [peak for peak in peaks if peak is not None]
    return f"{max(known) / MIB:.0f}" if known else "unknown"


def _bit_table(records: Sequence[Record]) -> str:
    diameters = records[0]["methods"][OURS]["diameters"]
    sizes = [f"{d:.0f} px" if d >= 10 else f"{d:.1f} px" for d in diameters]
    head = ["method", "PSNR dB", "bits right", *(f"AUC {size}" for size in sizes)]
    rows = []
    for method in records[0]["methods"]:
        areas = [
            _mean([r["methods"][method]["auc"][i] for r in records if _worked(r, method)])
            for i in range(len(sizes))
        ]
        rows.append(
            [
                _label(records, method),
                f"{mean_of(records, method, 'psnr'):.2f}",
                f"{100 * mean_of(records, method, 'bits'):.1f} %",
                *areas,
            ]
        )
    return markdown(head, rows)


def _mean(values: Sequence[float | None]) -> str:
    # Where there are only discs or only gaps, nothing can be told apart.
    known = [v for v in values if v is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"


def _stages(records: Sequence[Record]) -> str:
    from burst.measure.suites.stages import FIGURES

    groups = by_level(records)
    rows = []
    for figure, words in FIGURES.items():
        cells = [_figure([r["stages"].get(figure) for r in group]) for group in groups.values()]
        rows.append([words, *cells])
    return markdown(["mean (least to most)", *groups], rows)


def _figure(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    return f"{sum(known) / len(known):.2f} ({min(known):.2f} to {max(known):.2f})"


def _ablation(records: Sequence[Record]) -> str:
    from burst.measure.suites.ablation import gains

    groups = {level: gains(group) for level, group in by_level(records).items()}
    names = list(next(iter(groups.values())))
    rows = [[name, *(f"{group[name]:+.2f}" for group in groups.values())] for name in names]
    return markdown(["change, and what it does to PSNR without warp, dB", *groups], rows)


def _sharpness(records: Sequence[Record]) -> str:
    parts = []
    for chart in dict.fromkeys(r["case"]["image"] for r in records):
        groups = by_level([r for r in records if r["case"]["image"] == chart])
        rows = []
        for method in records[0]["methods"]:
            figures = [
                (mean_of(group, method, "mtf50"), mean_of(group, method, "peak"))
                for group in groups.values()
            ]
            rows.append([method, *(f"{mtf50:.3f} ({peak:.2f})" for mtf50, peak in figures)])
        parts.append(markdown([f"{chart}: MTF50 (peak)", *groups], rows))
    return "\n\n".join(parts)


def _quick(records: Sequence[Record]) -> str:
    groups = by_level(records)
    names = [r["case"]["image"] for r in next(iter(groups.values()))]
    rows = [[n, *(f"{g[i]['psnr']:.2f}" for g in groups.values())] for i, n in enumerate(names)]
    return markdown(["PSNR dB", *groups], rows)


def _scaling(records: Sequence[Record]) -> str:
    rows = [_scaling_row(record) for record in records]
    return markdown(["frames", "pixels", "seconds", "ns a pixel and frame", "peak MiB"], rows)


def _scaling_row(record: Record) -> list[str]:
    case: dict[str, Any] = record["case"]
    pixels = case["frames"] * case["size"] ** 2
    return [
        str(case["frames"]),
        f"{case['size']} x {case['size']}",
        f"{record['seconds']:.1f}",
        f"{1e9 * record['seconds'] / pixels:.0f}",
        f"{record['peak'] / MIB:.0f}",
    ]


def _boards(records: Sequence[Record]) -> str:
    from pydantic import TypeAdapter

    from burst.measure.words import BoardRow, board_table

    rows = [row for record in records for row in record["rows"]]
    return board_table(TypeAdapter(list[BoardRow]).validate_python(rows))


def _submit(records: Sequence[Record]) -> str:
    """Return what each submission took and how many bits of its images can be read."""
    levels = list(records[0]["bits"])
    head = ["submission", "seconds", "stacks a minute", "peak MiB", *(f"{n}, bits" for n in levels)]
    rows = []
    for r in records:
        case, count = r["case"], r["case"]["per_level"] * len(levels)
        rows.append(
            [
                f"{case['challenge']}: {count} stacks, {case['jobs']} at a time",
                f"{r['seconds']:.0f}",
                f"{60 * count / r['seconds']:.1f}",
                "unknown" if r["peak"] is None else f"{r['peak'] / MIB:.0f}",
                *(f"{100 * r['bits'][level]:.2f} %" for level in levels),
            ]
        )
    return markdown(head, rows)


def _soak(records: Sequence[Record]) -> str:
    """Return what the kills did to each batch; the last three counts should be 0.

    Memory is the peak of all processes in the first, second and last third of the time.
    """
    head = ["batch", "kills", "restored", "broken", "unexpected", "lost", "files that differ"]
    head.append("peak MiB by thirds of the time")
    rows = [
        [f"{r['case']['stacks']} stacks"]
        + [str(r[name]) for name in ("kills", "restored", "broken")]
        + [str(len(r[name])) for name in ("unexpected", "lost", "different")]
        + [", ".join(f"{held / MIB:.0f}" for held in r["memory"]) or "unknown"]
        for r in records
    ]
    return markdown(head, rows)


def _shutter(records: Sequence[Record]) -> str:
    from burst.measure.shutter_tables import shutter_table

    return shutter_table(records)


def _instants(records: Sequence[Record]) -> str:
    from burst.measure.shutter_tables import instants_table

    return instants_table(records)


def _drawn(records: Sequence[Record]) -> str:
    from burst.measure.shutter_tables import drawn_table

    return drawn_table(records)


def _sound(records: Sequence[Record]) -> str:
    from burst.measure.sound_table import sound_table

    return sound_table(records)


def _gpu(records: Sequence[Record]) -> str:
    from burst.measure.gpu_page import gpu_tables

    return gpu_tables(records)


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "synthetic": _synthetic,
    "stages": _stages,
    "sharpness": _sharpness,
    "ablation": _ablation,
    "quick": _quick,
    "scaling": _scaling,
    "submit": _submit,
    "soak": _soak,
    "boards": _boards,
    "shutter": _shutter,
    "instants": _instants,
    "drawn": _drawn,
    "sound": _sound,
    "gpu": _gpu,
}
