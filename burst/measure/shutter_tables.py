"""Tables in Markdown of what was measured on rolling shutters, real and simulated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median

from burst.measure.results import Record
from burst.measure.suites.instants import Recording
from burst.measure.tables import CLASSICAL, OURS, markdown, mean_of

CLOSE = 0.03  # of a readout ratio


def shutter_table(records: Sequence[Record]) -> str:
    """Return a table of means for each share of the readout, then PSNR of each sequence."""
    parts = []
    for share in sorted({record["share"] for record in records}):
        group = [record for record in records if record["share"] == share]
        where = {0.0: "first row", 0.5: "middle row", 1.0: "last row"}.get(share, f"{share:.2f}")
        parts.append(f"### At the time of the {where}: {len(group)} images\n\n{_of_moments(group)}")
    return "\n\n".join([*parts, f"### By sequence\n\n{_by_sequence(records)}"])


def drawn_table(records: Sequence[Record]) -> str:
    """Return a table of means for each set, and what the network gained on every recording."""
    parts, rows = [], []
    levels = list(dict.fromkeys(record["case"]["level"] for record in records))
    for name in dict.fromkeys(record["case"]["set"] for record in records):
        group = [record for record in records if record["case"]["set"] == name]
        parts.append(f"### {name}: {len(group)} images\n\n{_of_moments(group)}")
        if all(CLASSICAL in record["methods"] for record in group):
            rows.append([name, *_gains(group, levels)])
    head = ["set", "mean, dB", *levels, "median", "least", "most", "worse than geometry"]
    return "\n\n".join([*parts, f"### What networks gain\n\n{markdown(head, rows)}"])


def _gains(records: Sequence[Record], levels: Sequence[str]) -> list[str]:
    methods = [record["methods"] for record in records]
    gains = [found[OURS]["psnr"] - found[CLASSICAL]["psnr"] for found in methods]
    of_level: dict[str, list[float]] = {level: [] for level in levels}
    for record, gain in zip(records, gains, strict=True):
        of_level[record["case"]["level"]].append(gain)
    figures = (
        mean(gains),
        *(mean(found) if found else math.nan for found in of_level.values()),
        median(gains),
        min(gains),
        max(gains),
    )
    worse = sum(gain < 0 for gain in gains)
    return [*(f"{figure:+.2f}" for figure in figures), f"{worse} of {len(gains)}"]


def _of_moments(records: Sequence[Record]) -> str:
    figures = {
        "psnr": "PSNR dB", "psnr_inside": "without border", "psnr_top": "top third",
        "psnr_middle": "middle", "psnr_bottom": "bottom", "psnr_masked": "masked",
        "ssim": "SSIM", "mse": "MSE", "row_displacement": "rows displaced by, px",
        "seconds": "seconds",
    }  # fmt: skip
    known = {k: v for k, v in figures.items() if k in records[0]["methods"][OURS]}
    digits = {"ssim": 3, "mse": 0}
    methods = [name for name in records[0]["methods"] if all(name in r["methods"] for r in records)]
    rows = [
        [name, *(f"{mean_of(records, name, k):.{digits.get(k, 2)}f}" for k in known)]
        for name in methods
    ]
    return markdown(["method", *known.values()], rows)


def _by_sequence(records: Sequence[Record]) -> str:
    names = dict.fromkeys(r["case"]["sequence"] for r in records)
    methods = dict.fromkeys(name for r in records for name in r["methods"])
    rows = []
    for sequence in names:
        group = [r for r in records if r["case"]["sequence"] == sequence]
        ratios = {f"{r['readout_ratio']:.3g}" for r in group}
        cells = [
            f"{mean_of([r for r in group if m in r['methods']], m, 'psnr'):.2f}" for m in methods
        ]
        rows.append([sequence, ", ".join(sorted(ratios)), str(len(group)), *cells])
    return markdown(["sequence", "readout ratio", "images", *(f"{m}, dB" for m in methods)], rows)


def instants_table(records: Sequence[Record]) -> str:
    """Return PSNR at every instant, what was found of readouts, and of offsets."""
    rows: list[Sequence[str]] = []
    for kind in dict.fromkeys(_kind(r) for r in records):
        group = [r for r in records if _kind(r) == kind]
        for method in ("frame", OURS):
            columns = zip(*(r[method] for r in group), strict=True)
            means = [sum(column) / len(group) for column in columns]
            cells = (f"{mean:.1f}" for mean in (*means, sum(means) / len(means)))
            rows.append([kind, str(len(group)), method, *cells])
    shares = (f"{k / (len(means) - 1):.3g}" for k in range(len(means)))
    head = ["shutter and readout ratio", "recordings", "image", *shares, "mean"]
    offsets = [r["offset_error"] for r in records if "offset_error" in r] or [math.nan]
    return "\n\n".join(
        (
            f"### PSNR in dB, at shares of the readout\n\n{markdown(head, rows)}",
            f"### Readout ratio that the motion tells\n\n{_readouts(records)}",
            f"The offset of the second camera of a pair was found to"
            f" {sum(offsets) / len(offsets):.2f} px on average, {max(offsets):.2f} px at most.",
        )
    )


def _readouts(records: Sequence[Record]) -> str:
    rows: list[Sequence[str]] = []
    known = [r for r in records if "readout" in r]
    for kind in dict.fromkeys(_kind(r) for r in known):
        group = [r for r in known if _kind(r) == kind]
        found = [r for r in group if r["readout"]]
        told = [abs(r["readout"] / r["case"]["ratio"] - 1) for r in found]
        held = sum(r["range"][0] <= r["case"]["ratio"] <= r["range"][1] for r in found)
        close = str(sum(error <= CLOSE for error in told))
        errors = [f"{e:.1%}" for e in (median(told), max(told))] if told else ["none", "none"]
        rows.append([kind, str(len(group)), str(len(told)), close, *errors, str(held)])
    figures = ["told", f"within {CLOSE:.0%}", "median error", "largest", "within the range told"]
    return markdown(["shutter and readout ratio", "recordings", *figures], rows)


def _kind(record: Record) -> str:
    return Recording(**record["case"]).kind
