"""Small stacks of included images, whose recorded figures must not drop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from burst.data.levels import read_levels
from burst.files.write import write_text
from burst.measure.results import Record
from burst.measure.scores import score
from burst.measure.stacks import Case, simulate_case
from burst.measure.suite import Options, Suite
from burst.measure.tables import grouped, markdown, mean
from burst.pipeline import Pipeline
from burst.records import Burst, given

RECORDED = Path(__file__).with_name("quick.json")
IMAGES = ("camera", "text")
FRAMES, SIZE = 30, 128
LARGEST_DROP = 0.2  # dB


def quick_cases() -> list[Case]:
    """Return two small stacks of every level."""
    return [Case(image, level, 0, FRAMES, SIZE) for image in IMAGES for level in read_levels()]


def measure_quick(pipeline: Pipeline, case: Case) -> Record:
    """Return the scores of the pipeline on one small stack."""
    simulated, _ = simulate_case(case)
    image = given(pipeline.run(Burst(simulated.stack)).image)
    return asdict(score(image, simulated.truth.scene))


def level_means(records: Sequence[Record]) -> dict[str, float]:
    """Return the mean PSNR (dB) of each level."""
    groups = grouped(records, "level")
    return {level: mean(r["psnr"] for r in group) for level, group in groups.items()}


def _finish(options: Options, records: Sequence[Record]) -> list[str]:
    """Record the figures if asked; return the levels that are too far below those recorded."""
    found = level_means(records)
    if options.record:
        figures = {level: round(psnr, 2) for level, psnr in found.items()}
        write_text(RECORDED, json.dumps(figures, indent=1) + "\n")
    recorded = json.loads(RECORDED.read_text("utf-8"))
    return [
        f"{level} is {recorded[level] - psnr:.2f} dB below its recorded figure"
        for level, psnr in found.items()
        if recorded[level] - psnr > LARGEST_DROP
    ]


def _table(records: Sequence[Record]) -> str:
    groups = grouped(records, "level")
    names = [r["case"]["image"] for r in next(iter(groups.values()))]
    rows = [[n, *(f"{g[i]['psnr']:.2f}" for g in groups.values())] for i, n in enumerate(names)]
    return markdown(["PSNR dB", *groups], rows)


SUITE = Suite(
    title="Quick suite",
    cases=lambda _: quick_cases(),
    measure=lambda options: partial(measure_quick, options.load()),
    table=_table,
    finish=_finish,
)
