"""Write docs/gpu.md: a GPU compared with the CPU of the same machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from burst.files.write import read_json, write_text
from burst.measure.results import Record
from burst.measure.tables import grouped, row_each

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
    results = read_json(folder / "gpu.json")
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
    found = grouped(records, "part")
    return "\n\n".join(
        table(found[part]) for part, table in TABLES_OF_PARTS.items() if part in found
    )


def _images(records: Sequence[Record]) -> str:
    columns = (
        ("pipeline", "{case[subject]}"),
        ("relative difference", "{difference:.1e}"),
        ("largest difference", "{largest:.1e}"),
        ("PSNR on the CPU, dB", "{psnr:.2f}"),
        ("on the GPU", "{psnr_difference:+.4f}"),
        ("same bytes twice", "{same}"),
    )
    rows = ({**r, "same": "yes" if r["same_bytes"] else "no"} for r in records)
    return "## The image of the CPU\n\n" + row_each(rows, columns)


def _stages(records: Sequence[Record]) -> str:
    columns = (
        ("stack", "{case[frames]} x {case[size]} x {case[size]}"),
        *((stage, f"{{seconds[{stage}]:.3f}}") for stage in records[0]["seconds"]),
        ("all", "{all:.2f}"),
        ("peak GiB", "{gib:.1f}"),
        ("bytes a pixel", "{each:.0f}"),
    )
    rows = [
        {
            **r,
            "all": sum(r["seconds"].values()),
            "gib": r["peak"] / GIB,
            "each": r["peak"] / r["pixels"],
        }
        for r in records
    ]
    note = "Seconds of each stage of the default pipeline in a process that has run it before."
    return f"## Seconds and memory\n\n{note}\n\n{row_each(rows, columns)}"


def _training(records: Sequence[Record]) -> str:
    columns = (
        ("recipe", "{case[subject]}"),
        ("seconds a simulated stack", "{simulating:.2f}"),
        ("samples a second", "{samples_a_second:.1f}"),
        (f"steps of {records[0]['crops']} crops a second", "{steps_a_second:.1f}"),
        ("PSNR of its export, dB", "{restored:.2f}"),
    )
    note = (
        "A sample is a stack simulated and taken through the classical stages; eight processes make"
        " them. The network has hardly learnt when it is exported: its PSNR shows that it runs."
    )
    return f"## Training\n\n{note}\n\n{row_each(records, columns)}"


def _stacks(records: Sequence[Record]) -> str:
    columns = (("processes", "{processes}"), ("stacks a second", "{stacks_a_second:.1f}"))
    case = records[0]["case"]
    note = (
        f"Stacks of {case['frames']} x {case['size']} x {case['size']}, read from a file and"
        " restored by processes that share the GPU; nothing is written."
    )
    return f"## Stacks a second\n\n{note}\n\n{row_each(records, columns)}"


TABLES_OF_PARTS = {"image": _images, "stages": _stages, "stacks": _stacks, "training": _training}
