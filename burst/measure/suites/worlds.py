"""Stacks of other physics and cameras, with their truth: --images are folders of them.

Is a result ever worse than the merged image, and how wide was the blur taken for?

A folder holds stacks as any program reads them, and a truth beside each: `<world>.<image>.npy` (or
a folder of images of that name) and `<world>.<image>.truth.npz` with `scene` [h, w], linear, black
0 and white 1, and, where it is known, `psf` [k, k], the mean of the frames' PSFs. A scene that is
coarser than the frames is enlarged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from burst.files.read import ReadOptions, read_stack
from burst.files.sidecar import find_sidecar
from burst.measure.results import Record
from burst.measure.scores import part_shown, score, share_within
from burst.measure.suite import Options, Suite
from burst.measure.tables import CLASSICAL, OURS
from burst.measure.trace import NETWORK
from burst.measure.worlds_table import HARM, MERGED, TOLD, TOLD_CLASSICAL, harm, worlds_table
from burst.ops.color import display_to_linear
from burst.pipeline import Pipeline, run_step
from burst.records import Burst, Stack, StackError, given
from burst.settings import ConfigError

TRUTH = ".truth.npz"
BLACK = 256.0  # DN, of arrays that say nothing of it


@dataclass(frozen=True)
class World:
    """One stack of a folder of worlds."""

    folder: str
    stack: str

    @property
    def name(self) -> str:
        """The name of the stack, which begins with the world's."""
        return self.stack

    @property
    def world(self) -> str:
        """The world's name."""
        return self.stack.partition(".")[0]


def worlds_in(folders: Sequence[str]) -> list[World]:
    """Return the stacks of folders that have a truth; StackError if a folder has none."""
    found = []
    for folder in folders:
        names = sorted(path.name[: -len(TRUTH)] for path in Path(folder).glob(f"*{TRUTH}"))
        if not names:
            raise StackError(
                f"--images {folder}: expected stacks with truths, <world>.<image>.npy and"
                f" <world>.<image>{TRUTH}, found none."
            )
        found += [World(folder, name) for name in names]
    return found


@dataclass(frozen=True)
class WorldBench:
    """The pipeline that is put to the test."""

    pipeline: Pipeline

    def measure(self, case: World) -> Record:
        """Restore a stack, also told its PSF, and return the scores and the width of its blur."""
        stack = read_world(case)
        after: dict[str, Burst] = {}
        self.pipeline.run(Burst(stack), lambda step, burst: after.update({step.name: burst}))
        merged = given(after["deconvolve"].merged)
        scene, psf = read_truth(case, _linear(merged, stack))
        images = {MERGED: merged, **_images(after)}
        if psf is not None:
            images |= self._told(after["blur"], psf)
        scores = {name: score(_linear(image, stack), scene) for name, image in images.items()}
        air = given(after["blur"].turbulence)
        last = after[list(after)[-1]]
        within = None
        if last.image is not None and last.deviation is not None:
            within = share_within(*_linear_with_deviation(last), scene)
        return {
            "world": case.world,
            "methods": {name: {"psnr": found.psnr} for name, found in scores.items()},
            # Where half of the scene's modulation is left in the merged image.
            "half_height": scores[MERGED].mtf50,
            "half_height_believed": air.half_height_believed,
            "half_height_used": air.half_height,
            "source": air.source,
            "within": within,
        }

    def _told(self, burst: Burst, psf: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the results of a burst that is told its PSF [k, k]."""
        given_psf, after = given(burst.psf), {}
        told = replace(burst, psf=psf.to(given_psf).expand(len(given_psf), -1, -1))
        names = [step.name for step in self.pipeline.steps]
        for step in self.pipeline.steps[names.index("blur") + 1 :]:
            told = run_step(step, told)
            after[step.name] = told
        images = _images(after)
        called = {OURS: TOLD, CLASSICAL: TOLD_CLASSICAL}
        return {called[name]: image for name, image in images.items()}


def read_world(case: World) -> Stack:
    """Return the stack of a case; StackError where there is none."""
    path = Path(case.folder) / case.stack
    if path.is_dir():
        return read_stack(path)
    array = path.with_name(f"{case.stack}.npy")
    black = BLACK if find_sidecar(array) is None else None
    return read_stack(array, ReadOptions(black_level=black))


def read_truth(case: World, merged: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the part of the true scene that a merged image [h, w] shows, and the PSF [k, k] where
    it is known for the pixels of the frames."""
    truth = np.load(Path(case.folder) / f"{case.stack}{TRUTH}")
    scene = torch.from_numpy(np.asarray(truth["scene"], np.float32))
    finer = merged.shape[0] // scene.shape[0]
    if finer > 1:
        scene = functional.interpolate(scene[None, None], scale_factor=finer, mode="bicubic")[0, 0]
    psf: Any = truth["psf"] if "psf" in truth and finer <= 1 else None
    if psf is not None:
        psf = torch.from_numpy(np.asarray(psf, np.float32))
    return scene[part_shown(merged, scene)], psf


def too_harmful(records: Sequence[Record]) -> dict[str, float]:
    """Return the stacks that come out worse than their merged image, by how many dB."""
    return {
        record["case"]["stack"]: harm(record, OURS)
        for record in records
        if harm(record, OURS) > HARM
    }


def _images(after: dict[str, Burst]) -> dict[str, torch.Tensor]:
    """Return the images of our methods, by name."""
    stages = list(after)
    known = {OURS: after[stages[-1]].image}
    if stages[-1] == NETWORK:
        known[CLASSICAL] = after[stages[-2]].image
    return {name: image for name, image in known.items() if image is not None}


def _linear(image: torch.Tensor, stack: Stack) -> torch.Tensor:
    """Return an image of a stack in linear light."""
    return display_to_linear(image) if stack.sensor.transfer == "srgb" else image


def _linear_with_deviation(burst: Burst) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the image [h, w] of a burst and its standard deviation [h, w] in linear light."""
    image, deviation = given(burst.image), given(burst.deviation)
    above, below = (_linear(image + sign * deviation, burst.stack) for sign in (1, -1))
    return _linear(image, burst.stack), (above - below) / 2


def _cases(options: Options) -> list[World]:
    if not options.images:
        raise ConfigError(
            "--suite worlds: expected folders of stacks with truths, found none. Pass --images."
        )
    return worlds_in(options.images)


def _finish(options: Options, records: Sequence[Record]) -> list[str]:
    harmed = too_harmful(records).items()
    return [f"{stack} is {loss:.2f} dB worse than its merged image" for stack, loss in harmed]


SUITE = Suite(
    title="Other physics, other cameras",
    cases=_cases,
    measure=lambda options: WorldBench(options.load()).measure,
    table=worlds_table,
    notes=(
        "Stacks that another program made (see `burst/measure/suites/worlds.py`): layers of air"
        " along a path, fine and coarse pixels, defocus, bad frames, hands without any air, videos."
        ' No result may be more than 0.1 dB worse than the merged image. "PSF told" is given the'
        " true PSF of the air, where it is known. The width is where the blur's transfer function"
        " falls to half."
    ),
    finish=_finish,
)
