"""Recordings simulated like the training samples of networks, of new images and seeds."""

from __future__ import annotations

from collections.abc import Sequence as Strings
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from burst.data.samples.draws import choose, generator_of
from burst.data.samples.rolling import ShutterSampleSettings, record
from burst.data.samples.turbulence import SampleKey
from burst.files.sequence import Sequence as Recorded
from burst.measure.results import Record
from burst.measure.rolling import ShutterBench, moments_table
from burst.measure.stacks import choose_images
from burst.measure.suite import Options, Suite, rolling_text
from burst.measure.tables import CLASSICAL, OURS, grouped, markdown, mean
from burst.pipeline import load
from burst.training.recipe import load_recipe

SIZE = 256  # px
LEVELS = ("low", "medium", "high")  # those that the networks of shutters learn from
# Recipe, and by how much of a frame time rows are exposed where that is not drawn.
SETS: dict[str, tuple[str, float | None]] = {
    "rolling, sharp": ("rolling", 0.0),
    "rolling, blurred": ("rolling", 0.35),
    "global reset": ("global_reset", None),
    "dual reversed": ("dual_reversed_twin", None),
}


@dataclass(frozen=True)
class DrawnRecording:
    """One recording: its set, a scene (a file or a name of `SCENES`), noise level and seed."""

    set: str
    image: str
    level: str
    seed: int

    @property
    def name(self) -> str:
        """The set, the image without its folder and suffix, and the level."""
        return f"{self.set}: {Path(self.image).stem}, {self.level}"

    def read(self) -> Recorded:
        """Return the frames and the truth of one random instant."""
        settings = settings_of(self.set)
        generator = generator_of(self.seed, self.name)
        key = SampleKey(self.level, 0, held_out=True)
        recorded = record(key, settings, [[self.image]], generator)
        return recorded.with_one_truth(choose(len(recorded.truths), generator))


def settings_of(name: str) -> ShutterSampleSettings:
    """Return the sample settings of a set."""
    recipe, exposure = SETS[name]
    settings = load_recipe(recipe).samples
    assert isinstance(settings, ShutterSampleSettings)
    if exposure is None:
        return replace(settings, size=SIZE)
    return replace(settings, size=SIZE, exposure=(exposure, exposure), sharp=0.0)


def _cases(options: Options) -> list[DrawnRecording]:
    """Return a recording of each image in every set at every level."""
    return [
        DrawnRecording(kind, image, level, options.seed)
        for kind in SETS
        for image in choose_images(options.images, options.per_level)
        for level in LEVELS
    ]


def _table(records: Strings[Record]) -> str:
    """Return a table of means for each set, and the network's gain over all recordings."""
    parts, rows = [], []
    levels = list(grouped(records, "level"))
    for name, group in grouped(records, "set").items():
        parts.append(f"### {name}: {len(group)} images\n\n{moments_table(group)}")
        if all(CLASSICAL in r["methods"] for r in group):
            rows.append([name, *_gains(group, levels)])
    head = ["set", "mean, dB", *levels, "median", "least", "most", "worse than geometry"]
    return "\n\n".join([*parts, f"### What networks gain\n\n{markdown(head, rows)}"])


def _gains(records: Strings[Record], levels: Strings[str]) -> list[str]:
    found = [
        (r["case"]["level"], r["methods"][OURS]["psnr"] - r["methods"][CLASSICAL]["psnr"])
        for r in records
    ]
    gains = [gain for _, gain in found]
    of_levels = (mean(gain for level, gain in found if level == wanted) for wanted in levels)
    figures = (mean(gains), *of_levels, median(gains), min(gains), max(gains))
    worse = sum(gain < 0 for gain in gains)
    return [*(f"{figure:+.2f}" for figure in figures), f"{worse} of {len(gains)}"]


SUITE = Suite(
    title="Networks after the geometry of a shutter",
    cases=_cases,
    measure=lambda options: ShutterBench(load, options.settings).measure,
    table=_table,
    notes=(
        "Recordings simulated like the training samples of networks (see"
        " `burst/measure/suites/drawn.py`), of images and seeds not trained on, at the noise levels"
        " of training: sharp, blurred by 0.35 of a frame time, with a global reset, and by two"
        " cameras. Scored like real sequences."
    ),
    settings=rolling_text,
)
