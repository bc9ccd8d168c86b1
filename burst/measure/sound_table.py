"""The table of what faults, defects and motion cost."""

from __future__ import annotations

from collections.abc import Sequence

from burst.measure.results import Record
from burst.measure.tables import markdown

TITLES = {
    "none": "Without trouble",
    "frames": "Bad frames",
    "sensor": "A sensor with defects",
    "camera": "A camera that moves",
}


def sound_table(records: Sequence[Record]) -> str:
    """Return a table for each part: the mean figures of every disturbance over its stacks."""
    parts = []
    for part, title in TITLES.items():
        found = [record for record in records if record["case"]["part"] == part]
        if found:
            parts.append(f"### {title}\n\n{_of_part(found)}")
    return "\n\n".join(parts)


def _of_part(records: Sequence[Record]) -> str:
    head = (
        "trouble", "without it, dB", "with it, dB", "lost, dB", "most lost, dB", "plain mean, dB",
        "bad frames left out", "good frames left out",
    )  # fmt: skip
    rows = []
    for what in dict.fromkeys(record["case"]["what"] for record in records):
        group = [record for record in records if record["case"]["what"] == what]
        clean, psnr, loss, plain = (
            sum(record[name] for record in group) / len(group)
            for name in ("clean_psnr", "psnr", "loss", "mean_psnr")
        )
        bad, out, good = (
            sum(record[name] for record in group)
            for name in ("bad", "bad_left_out", "good_left_out")
        )
        rows.append(
            [
                what.replace("_", " "),
                f"{clean:.2f}",
                f"{psnr:.2f}",
                f"{loss:+.2f}",
                f"{max(record['loss'] for record in group):+.2f}",
                f"{plain:.2f}",
                f"{out} of {bad}" if bad else "-",
                str(good),
            ]
        )
    return markdown(head, rows)
