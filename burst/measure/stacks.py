"""The stacks that are measured: images, levels and seeds, simulated one at a time."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from burst.data.charts import CHARTS, draw_chart
from burst.data.levels import find_level
from burst.data.scenes import list_scenes, read_scene
from burst.data.targets import TargetLayout, draw_target
from burst.data.turbulence import SimulatedStack, simulate
from burst.measure.suite import Options

TARGET = "coded target "  # prefix of the name of a drawn target, before its number


@dataclass(frozen=True)
class Case:
    """One stack to measure: the scene (a file, a name of `SCENES` or `CHARTS`, or a coded target),
    the noise level, the seed of the suite, frames and size (px)."""

    image: str
    level: str
    seed: int
    frames: int
    size: int

    @property
    def name(self) -> str:
        """The image without its folder and suffix, and the level."""
        return f"{self.label}, {self.level}"

    @property
    def label(self) -> str:
        """The image without its suffix, with its folder where it has one."""
        path = Path(self.image)
        return f"{path.parent.name}/{path.stem}" if path.suffix else self.image

    @property
    def is_target(self) -> bool:
        """Whether the scene is a coded target, whose bits can be read back."""
        return self.image.startswith(TARGET)


def stack_cases(options: Options) -> list[Case]:
    """Return the stacks of images and coded targets; levels take turns on the same scenes."""
    images = choose_images(options.images, options.per_level)
    names = [*images, *(f"{TARGET}{i}" for i in range(options.targets))]
    return [
        Case(image, level, options.seed, options.frames, options.size)
        for image in names
        for level in options.levels
    ]


def choose_images(folders: Sequence[str], count: int) -> tuple[str, ...]:
    """Return `count` images, equally many from each folder, evenly spaced in its sorted list.
    Without a folder they are those of scikit-image. StackError if a folder has none."""
    lists = list_scenes(folders)
    shares = [len(range(i, count, len(lists))) for i in range(len(lists))]
    chosen = [
        [images[int((i + 0.5) * len(images) / share)] for i in range(share)]
        for images, share in zip(lists, shares, strict=True)
    ]
    return tuple(image for images in chosen for image in images)


def simulate_case(case: Case) -> tuple[SimulatedStack, TargetLayout | None]:
    """Simulate one case; a coded target has a layout. The random numbers depend on seed, level and
    the image's name, so that a case is the same in every suite, wherever the file is."""
    text = f"{case.seed} {case.level} {case.label}"
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    scene, layout = draw_scene(case)
    conditions = find_level(case.level).point()
    simulated = simulate(scene, conditions, generator, case.frames, (case.size, case.size))
    return simulated, layout


def draw_scene(case: Case) -> tuple[torch.Tensor, TargetLayout | None]:
    """Return the scene [h, w] of a case, linear; a coded target has a layout."""
    if case.image in CHARTS:
        return draw_chart(case.image, case.size), None
    if not case.is_target:
        return read_scene(case.image), None
    # The same pattern at every level.
    number = zlib.crc32(f"{case.seed} {case.image}".encode())
    target = draw_target(case.size, torch.Generator().manual_seed(number))
    return target.image, target.layout
