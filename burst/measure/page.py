"""docs/benchmarks.md: every suite's tables and plots, and what they were measured on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from burst.data.scenes import SCENES
from burst.files.write import write_text
from burst.measure.plots import draw_scaling, draw_seconds
from burst.measure.results import Record, read_results
from burst.measure.tables import tables

INTRODUCTION = """\
# Benchmarks

Written by `burst bench --write`; the numbers come from the files of `burst bench --out`. Nothing
on this page is typed by hand.

**How images are scored.** The result is clipped to 0..1 and display-encoded (sRGB), as is the
truth. One sub-pixel shift, one gain and one offset are fitted to the truth, for every method
alike, and a border of 8 px is left out. Images are moved as if they were twice as fine, so that a
fraction of a pixel takes no detail. "PSNR without warp" is taken after a smooth warp against
the truth is removed as well (registered in windows of 8 px and wider, too wide to repair detail):
the mean displacement over the frames is known to no method, and says nothing of sharpness. MTF50,
in cycles per pixel, is where half of the truth's modulation is left, taken from the same image.

**The gap.** 0 % is the plain mean of all frames, 100 % the fair oracle: the true displacements
less their mean over the frames, the mean of the aligned frames, and a Wiener filter with the true
mean PSF at the noise-to-signal ratio that scores best. "oracle with mean displacement" knows that
too.

**Bits** are read back from coded targets (`burst/data/targets.py`): the share that is right, and
for each size of disc the area under the curve (AUC), which needs no threshold.

**Seconds and memory** are those of the method alone within one process, memory counted over what
was resident before; "scaling" measures whole processes, imports included. Of pss and
siril, which run as programs of their own, the seconds hold all and the memory only our side.
"""

TITLES = {
    "synthetic": "Simulated stacks",
    "sharpness": "How sharp charts come out",
    "stages": "Every stage against the truth",
    "ablation": "What each stage is worth",
    "scaling": "Cost over frames and pixels",
    "boards": "Words on real boards",
    "shutter": "Rolling shutters",
    "submit": "A challenge in one command",
    "drawn": "Networks after the geometry of a shutter",
    "instants": "Rolling shutters, simulated",
    "soak": "Broken stacks and killed batches",
    "sound": "Stacks with trouble",
    "quick": "Quick suite",
}
NOTES = {
    "sound": (
        "40 frames of 192 x 192, each stack beside the same one, air and noise alike, without the"
        " trouble (see `burst/measure/suites/sound.py`): without the bad frames, without the"
        " defects, from a camera at rest, on the part of the scene that all frames show. What is"
        ' lost may be at most 0.3 dB. "Plain mean" is that of all frames as they came. Of frames'
        " that are all the same there is nothing to merge: their result is to be no worse than their mean."
    ),
    "synthetic": "How each peer is installed stands in [peers.md](peers.md).",
    "sharpness": (
        "MTF50, in cycles per pixel, as a camera's is measured (ISO 12233): of sixteen slanted"
        " edges and of a Siemens star, each seen through several airs, and the peak of the MTF (see"
        " `burst/measure/transfer.py`). A peak above 1 is overshoot, which makes MTF50 larger than"
        " the detail that is there."
    ),
    "submit": (
        "`burst submit` from a folder of simulated stacks of coded targets to a zip that"
        " `burst submit --check` finds no fault with: seconds and memory are those of the whole"
        " command and all its processes, each with one thread; bits are read from the images in the"
        " zip."
    ),
    "shutter": (
        "Scored as the literature does: display-encoded, nothing fitted; border 20 px; thirds of"
        " the rows. Seconds are those of one image with all matching, on the threads named above."
        ' "frame" is the frame as it was read; "DIS, constant velocity" the simplest solver.'
    ),
    "drawn": (
        "Recordings drawn as those that networks learn from (see `burst/measure/suites/drawn.py`),"
        " of images and seeds that they never saw, at the noise levels that they learn at: sharp,"
        " blurred by 0.35 of a frame time, with a global reset, and by two cameras. Scored like"
        " real sequences."
    ),
    "instants": (
        "A carried camera pans over stills with a disc before it that goes its own way (see"
        " `burst/measure/suites/instants.py`). Scored like the recorded sequences. The readout is"
        " told for the images, and found without being told for the second table."
    ),
}


def write_page(page: Path, folder: Path) -> None:
    """Write the page and its plots from all suites measured into a folder."""
    parts = [INTRODUCTION]
    for suite, title in TITLES.items():
        results = read_results(folder / f"{suite}.json")
        if suite == "stages" and not results:
            # The stacks on which methods are scored tell of the stages as well.
            results = read_results(folder / "synthetic.json")
        if results.get("records"):
            parts.append(_section(suite, title, results, page))
    write_text(page, "\n".join(parts))


def _section(suite: str, title: str, results: Record, page: Path) -> str:
    records = results["records"]
    made = f"Made by `burst bench --suite {suite}`."
    parts = [f"## {title}", f"{made} {_measured_on(records, results['machine'])}"]
    if suite in PLOTS:
        plot = page.with_name(f"{page.stem}-{suite}.svg")
        PLOTS[suite](records, plot)
        parts.append(f"![{title}]({plot.name})")
    if suite in NOTES:
        parts.append(NOTES[suite])
    return "\n\n".join([*parts, tables(suite, records)]) + "\n"


def _measured_on(records: Sequence[Record], machine: Record) -> str:
    """Return a sentence on stacks and machine."""
    cases = [r["case"] for r in records if {"frames", "image"} <= r["case"].keys()]
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
    """Return the folder of an image, or what else it comes from."""
    folder = os.path.basename(os.path.dirname(image))
    return folder or ("scikit-image" if image in SCENES else "drawn charts and targets")


PLOTS: dict[str, Callable[[Sequence[Record], Path], None]] = {
    "synthetic": draw_seconds,
    "scaling": draw_scaling,
}
