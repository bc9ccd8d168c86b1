"""How sharp charts come out: MTF50 of slanted edges and Siemens stars seen through the air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from burst.data.charts import CHARTS, STAR, edges_of
from burst.measure.peers.baselines import plain_mean
from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case
from burst.measure.suites.synthetic import image_of, ours_of, run_traced
from burst.measure.tables import MEAN
from burst.measure.transfer import edge_transfer, star_transfer
from burst.pipeline import Pipeline

TRUTH = "truth"


@dataclass(frozen=True)
class SharpnessBench:
    """The pipeline, with and without its network, between the plain mean and the truth."""

    pipeline: Pipeline

    def measure(self, case: Case) -> Record:
        """Simulate a chart and return MTF50 (cycles per pixel) and peak of every method's MTF."""
        simulated, _ = simulate_case(case)
        trace = run_traced(self.pipeline, simulated.stack)
        images = {
            MEAN: plain_mean(simulated.stack),
            **{name: image_of(trace.after[stage]) for name, stage in ours_of(trace).items()},
            TRUTH: simulated.truth.scene,
        }
        return {"methods": {name: sharpness(case, image) for name, image in images.items()}}


def sharpness(case: Case, image: torch.Tensor) -> Record:
    """Return MTF50 and peak of the MTF of an image [h, w], linear, of a case's chart."""
    pixels = image.double().cpu().numpy()
    star = case.image == STAR
    found = star_transfer(pixels) if star else edge_transfer(pixels, edges_of(case.size))
    return {"mtf50": found.mtf50, "peak": found.peak}


def chart_cases(levels: Sequence[str], count: int, seed: int, frames: int, size: int) -> list[Case]:
    """Return every chart at every level, each seen through `count` airs."""
    return [
        Case(chart, level, seed + i, frames, size)
        for i in range(count)
        for chart in CHARTS
        for level in levels
    ]
