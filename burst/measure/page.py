"""Write docs/benchmarks.md: tables and plots of every suite, and the machine measured on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from burst.data.scenes import SCENES
from burst.files.write import read_json, write_text
from burst.measure.results import Record
from burst.measure.suite import Suite, find_suite, suites

INTRODUCTION = """\
# Benchmarks

Written by `burst bench --write`; the numbers come from the files of `burst bench --out`. Nothing
on this page is typed by hand.

**How images are scored.** The result is clipped to 0..1 and display-encoded (sRGB), as is the
truth. One sub-pixel shift, one gain and one offset are fitted to the truth, for every method
alike, and a border of 8 px is ignored. Images are shifted at twice their resolution, so that a
shift by a fraction of a pixel loses no detail. "PSNR without warp" is taken after a smooth warp
against the truth is removed as well (registered in windows of 8 px and wider, too wide to repair
detail): the mean displacement over the frames is unknown to every method, and does not affect
sharpness. MTF50, in cycles per pixel, is where half of the truth's modulation remains, taken from
the same image.

**The gap.** 0 % is the plain mean of all frames, 100 % the fair oracle: the true displacements
less their mean over the frames, the mean of the aligned frames, and a Wiener filter with the true
mean PSF at the noise-to-signal ratio that scores best. "oracle with mean displacement" also knows
the mean.

**Bits** are read from coded targets (`burst/data/targets.py`): the share that is right, and
for each size of disc the area under the curve (AUC), which needs no threshold.

**Seconds and memory** are those of the method alone within one process, memory counted above what
was resident before; "scaling" measures whole processes, imports included. pss and siril are
separate programs: their seconds include everything, their memory only that of burst.
"""

# Suites in the order of the page; others follow by their names.
FIRST = (
    "synthetic", "sharpness", "stages", "ablation", "scaling", "boards", "shutter", "submit",
    "drawn", "instants", "soak", "sound",
)  # fmt: skip


def write_page(page: Path, folder: Path) -> None:
    """Write the page and its plots from all suites measured into a folder."""
    parts = [INTRODUCTION]
    for name in (*FIRST, *sorted(set(suites()) - set(FIRST))):
        suite = find_suite(name)
        results = read_json(folder / f"{name}.json")
        if not results and suite.filled_by:
            results = read_json(folder / f"{suite.filled_by}.json")
        if results.get("records") and suite.page is None and suite.cached:
            parts.append(_section(name, suite, results, page))
    write_text(page, "\n".join(parts))


def _section(name: str, suite: Suite, results: Record, page: Path) -> str:
    records = results["records"]
    made = f"Made by `burst bench --suite {name}`."
    parts = [f"## {suite.title}", f"{made} {_measured_on(records, results['machine'])}"]
    if suite.plot:
        plot = page.with_name(f"{page.stem}-{name}.svg")
        suite.plot(records, plot)
        parts.append(f"![{suite.title}]({plot.name})")
    if suite.notes:
        parts.append(suite.notes)
    return "\n\n".join([*parts, suite.tables(records)]) + "\n"


def _measured_on(records: Sequence[Record], machine: Record) -> str:
    """Return a sentence on stacks and machine."""
    said = {"image", "frames", "size", "seed"}
    cases = [r["case"] for r in records if said <= r["case"].keys()]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    where = (
        f"{machine['date']}, {machine['processor']}, {machine['threads']} of {machine['cores']}"
        f" cores, {machine['system']}, Python {machine['python']}, {libraries}."
    )
    if not cases:
        return where
    shapes = dict.fromkeys(f"{c['frames']} x {c['size']} x {c['size']}" for c in cases)
    seeds = sorted({str(c["seed"]) for c in cases})
    sources = ", ".join(dict.fromkeys(_source_of(c["image"]) for c in cases))
    stacks = f"{len(cases)} stacks of {', '.join(shapes)} from {sources}, seed {', '.join(seeds)}."
    return f"{stacks} {where}"


def _source_of(image: str) -> str:
    """Return the folder of an image, or its other origin."""
    folder = os.path.basename(os.path.dirname(image))
    return folder or ("scikit-image" if image in SCENES else "drawn charts and targets")
