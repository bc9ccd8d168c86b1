"""Recordings drawn as those are that networks learn from, of images and numbers they never saw."""

from __future__ import annotations

from collections.abc import Sequence as Strings
from dataclasses import dataclass, replace
from pathlib import Path

from burst.data.samples.rolling import Draws, ShutterMaking, record
from burst.data.samples.turbulence import Key, seed_of
from burst.files.sequence import Sequence as Recorded
from burst.measure.suites.shutter import with_one_truth
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
class Drawn:
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
        """Return the frames, and the truth of one moment, drawn like all the rest."""
        making = making_of(self.set)
        draws = Draws(seed_of(self.seed, self.name))
        key = Key(self.level, 0, held_out=True)
        recorded = record(key, making, [[self.image]], draws)
        return with_one_truth(recorded, draws.whole((0, len(recorded.truths) - 1)))


def making_of(name: str) -> ShutterMaking:
    """Return how recordings of a set are made."""
    recipe, exposure = SETS[name]
    making = load_recipe(recipe).samples
    assert isinstance(making, ShutterMaking)
    making = replace(making, size=SIZE)
    return making if exposure is None else replace(making, exposure=(exposure, exposure), sharp=0.0)


def drawn(images: Strings[str], seed: int) -> list[Drawn]:
    """Return a recording of each image in every set at every level."""
    return [
        Drawn(kind, image, level, seed) for kind in SETS for image in images for level in LEVELS
    ]
