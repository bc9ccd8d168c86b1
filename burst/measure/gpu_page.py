"""Write docs/gpu.md: a GPU compared with the CPU of the same machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from burst.files.write import write_text
from burst.measure.results import Record, read_results
from burst.measure.tables import markdown

GIB = 2**30

PAGE = """\
# On a GPU

Written by `make gpu`, which runs `burst bench --suite gpu`; nothing on this page is typed by hand.

`burst run`, `burst train`, `burst simulate` and `burst submit` take `--device`: `auto`, the
default, is a GPU where torch finds one. Frames go to the GPU once and stay there; the image comes
back. What is small (theory of the air, fits) and dense inverse search of rolling shutters stay on
the CPU. Where a GPU runs out of memory, `burst` says what the stack needs; under `auto` the CPU
goes on by itself.
The same stack, settings and seed give the same bytes on the same GPU; between a GPU and a CPU sums
are split otherwise, and images differ by rounding. A step of training on a GPU is not repeated to
the bit: gradients that are summed in a fixed order take twice as long. The card of a network
says so.

**Measured on** {gpu}, {processor}, {cores} cores, {date}, torch {torch}.

{tables}
"""


def write_gpu_page(page: Path, folder: Path) -> None:
    """Write the page from the figures of the suite in a folder."""
    results = read_results(folder / "gpu.json")
    machine, records = results["machine"], results["records"]
    text = PAGE.format(
        gpu=records[0]["device"],
        processor=machine["processor"],
        cores=machine["cores"],
        date=machine["date"],
        torch=machine["libraries"]["torch"],
        tables=gpu_tables(records),
    )
    write_text(page, text)


def gpu_tables(records: Sequence[Record]) -> str:
    """Return the tables of all parts of the suite that were measured."""
    parts = []
    for part, table in TABLES_OF_PARTS.items():
        found = [record for record in records if record["case"]["part"] == part]
        if found:
            parts.append(table(found))
    return "\n\n".join(parts)


def _images(records: Sequence[Record]) -> str:
    rows = [
        [
            r["case"]["subject"],
            f"{r['difference']:.1e}",
            f"{r['largest']:.1e}",
            f"{r['psnr']:.2f}",
            f"{r['psnr_difference']:+.4f}",
            "yes" if r["same_bytes"] else "no",
        ]
        for r in records
    ]
    head = (
        "pipeline", "relative difference", "largest difference", "PSNR on the CPU, dB",
        "on the GPU", "same bytes twice",
    )  # fmt: skip
    return "## The image of the CPU\n\n" + markdown(head, rows)


def _stages(records: Sequence[Record]) -> str:
    stages = list(records[0]["seconds"])
    rows = [
        [
            f"{r['case']['frames']} x {r['case']['size']} x {r['case']['size']}",
            *(f"{r['seconds'][stage]:.3f}" for stage in stages),
            f"{sum(r['seconds'].values()):.2f}",
            f"{r['peak'] / GIB:.1f}",
            f"{r['peak'] / r['pixels']:.0f}",
        ]
        for r in records
    ]
    head = ("stack", *stages, "all", "peak GiB", "bytes a pixel")
    note = "Seconds of each stage of the default pipeline in a process that has run it before."
    return f"## Seconds and memory\n\n{note}\n\n" + markdown(head, rows)


def _training(records: Sequence[Record]) -> str:
    rows = [
        [
            r["case"]["subject"],
            f"{r['simulating']:.2f}",
            f"{r['samples_a_second']:.1f}",
            f"{r['steps_a_second']:.1f}",
            f"{r['restored']:.2f}",
        ]
        for r in records
    ]
    head = (
        "recipe", "seconds a simulated stack", "samples a second",
        f"steps of {records[0]['crops']} crops a second", "PSNR of its export, dB",
    )  # fmt: skip
    note = (
        "A sample is a stack simulated and taken through the classical stages; eight processes make"
        " them. The network has hardly learnt when it is exported: its PSNR shows that it runs."
    )
    return f"## Training\n\n{note}\n\n" + markdown(head, rows)


def _stacks(records: Sequence[Record]) -> str:
    rows = [[str(r["processes"]), f"{r['stacks_a_second']:.1f}"] for r in records]
    case = records[0]["case"]
    note = (
        f"Stacks of {case['frames']} x {case['size']} x {case['size']}, read from a file and"
        " restored by processes that share the GPU; nothing is written."
    )
    return f"## Stacks a second\n\n{note}\n\n" + markdown(("processes", "stacks a second"), rows)


TABLES_OF_PARTS = {
    "image": _images,
    "stages": _stages,
    "stacks": _stacks,
    "training": _training,
}
