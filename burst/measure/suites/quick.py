"""The quick suite: small stacks of shipped images, whose figures are recorded and must not drop."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from burst.data.levels import read_levels
from burst.files.write import write_text
from burst.measure.results import Record
from burst.measure.scores import score
from burst.measure.stacks import Case, Plan, simulate_case
from burst.pipeline import Pipeline
from burst.records import Burst

RECORDED = Path(__file__).with_name("quick.json")
IMAGES = ("camera", "text")
FRAMES, SIZE = 30, 128
LARGEST_DROP = 0.2  # dB


def quick_plan() -> Plan:
    """Return two small stacks of every level."""
    return Plan(tuple(read_levels()), IMAGES, targets=0, seed=0, frames=FRAMES, size=SIZE)


def measure_quick(pipeline: Pipeline, case: Case) -> Record:
    """Return the scores of the pipeline on one small stack."""
    simulated, _ = simulate_case(case)
    image = pipeline.run(Burst(simulated.stack)).image
    assert image is not None
    return asdict(score(image, simulated.truth.scene))


def record(records: list[Record]) -> None:
    """Write PSNR (dB) by level as the figures that later code is held to."""
    figures = {level: round(psnr, 2) for level, psnr in level_means(records).items()}
    write_text(RECORDED, json.dumps(figures, indent=1) + "\n")


def level_means(records: list[Record]) -> dict[str, float]:
    """Return the mean PSNR (dB) of each level."""
    by_level: dict[str, list[float]] = {}
    for r in records:
        by_level.setdefault(r["case"]["level"], []).append(r["psnr"])
    return {level: sum(values) / len(values) for level, values in by_level.items()}


def drops(records: list[Record]) -> dict[str, float]:
    """Return by how much (dB) each level lies below its recorded figure, where it is too much."""
    recorded = json.loads(RECORDED.read_text("utf-8"))
    lost = {level: recorded[level] - psnr for level, psnr in level_means(records).items()}
    return {level: drop for level, drop in lost.items() if drop > LARGEST_DROP}
