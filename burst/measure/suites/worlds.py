"""Stacks of other physics and cameras, with their truth: --images are folders of them.

Is a result ever worse than the merged image, and how wide was the blur taken for?

A folder holds stacks as any program reads them, and a truth beside each: `<world>.<image>.npy` (or
a folder of images of that name) and `<world>.<image>.truth.npz` with `scene` [h, w], linear, black
0 and white 1, and, where it is known, `psf` [k, k], the mean of the frames' PSFs. A scene that is
coarser than the frames is enlarged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from burst.files.read import ReadOptions, read_stack
from burst.files.sidecar import find_sidecar
from burst.measure.results import Record
from burst.measure.scores import half_height, part_shown, score, share_within
from burst.measure.suite import Options, Suite
from burst.measure.tables import CLASSICAL, OURS, grouped, markdown, mean
from burst.measure.trace import after_each, in_linear_light, methods_of
from burst.pipeline import Pipeline, run_step
from burst.records import Burst, Stack, StackError, given

TRUTH = ".truth.npz"
BLACK = 256.0  # DN, of arrays that say nothing of it
MERGED, TOLD, TOLD_CLASSICAL = "merged", "burst, PSF told", "without network, PSF told"
METHODS = (MERGED, CLASSICAL, OURS, TOLD_CLASSICAL, TOLD)
HARM = 0.1  # dB below the merged image
RIGHT_WIDTH = 0.15  # log
SHARP = 0.36  # cycles per pixel: resampling alone brings merged images of no blur down to it


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


def measure(pipeline: Pipeline, case: World) -> Record:
    """Restore a stack, also told its PSF, and return the scores and the width of its blur."""
    stack = read_world(case)
    after = after_each(pipeline, stack)
    merged = given(after["deconvolve"].merged)
    scene, psf = read_truth(case, in_linear_light(merged, stack))
    images = {MERGED: merged, **_images(after)}
    if psf is not None:
        images |= _told(pipeline, after["blur"], psf)
    scores = {name: score(in_linear_light(x, stack), scene) for name, x in images.items()}
    air, last = given(after["blur"].turbulence), list(after.values())[-1]
    within = None
    if last.image is not None and last.deviation is not None:
        above, below = (in_linear_light(last.image + s * last.deviation, stack) for s in (1, -1))
        within = share_within(in_linear_light(last.image, stack), (above - below) / 2, scene)
    return {
        "world": case.world,
        "methods": {name: {"psnr": found.psnr} for name, found in scores.items()},
        "half_height": half_height(in_linear_light(merged, stack), scene),
        "half_height_believed": air.half_height_believed,
        "half_height_used": air.half_height,
        "source": air.source,
        "within": within,
    }


def _told(pipeline: Pipeline, burst: Burst, psf: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the results of a burst, as it is after `blur`, that is told its PSF [k, k]."""
    given_psf, after = given(burst.psf), {}
    told = replace(burst, psf=psf.to(given_psf).expand(len(given_psf), -1, -1))
    names = [step.name for step in pipeline.steps]
    for step in pipeline.steps[names.index("blur") + 1 :]:
        told = run_step(step, told)
        after[step.name] = told
    called = {OURS: TOLD, CLASSICAL: TOLD_CLASSICAL}
    return {called[name]: image for name, image in _images(after).items()}


def _images(after: Mapping[str, Burst]) -> dict[str, torch.Tensor]:
    """Return the images of our methods, by name."""
    known = {name: after[stage].image for name, stage in methods_of(after).items()}
    return {name: image for name, image in known.items() if image is not None}


def read_world(case: World) -> Stack:
    """Return the stack of a case; StackError where there is none."""
    path = Path(case.folder) / case.stack
    if path.is_dir():
        return read_stack(path)
    array = path.with_name(f"{case.stack}.npy")
    black = BLACK if find_sidecar(array) is None else None
    return read_stack(array, ReadOptions(black_level=black))


def read_truth(case: World, merged: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the part of the true scene that an image shows, and the PSF [k, k] if known."""
    truth = np.load(Path(case.folder) / f"{case.stack}{TRUTH}")
    scene = torch.from_numpy(np.asarray(truth["scene"], np.float32))
    finer = merged.shape[0] // scene.shape[0]
    if finer > 1:
        scene = functional.interpolate(scene[None, None], scale_factor=finer, mode="bicubic")[0, 0]
    psf: Any = truth["psf"] if "psf" in truth and finer <= 1 else None
    if psf is not None:
        psf = torch.from_numpy(np.asarray(psf, np.float32))
    return scene[part_shown(merged, scene)], psf


def harm(record: Record, method: str) -> float:
    """Return by how many dB a method's image is worse than the merged one; below 0 it is better."""
    methods = record["methods"]
    return float(methods[MERGED]["psnr"] - methods[method]["psnr"])


def width_error(record: Record) -> float | None:
    """Return the log error of the width that was believed; None where none was."""
    believed, true = record["half_height_believed"], record["half_height"]
    if believed is None:
        return None
    # Beyond what interpolation leaves of a sharp image there is no blur to measure.
    return float(math.log(min(believed, SHARP) / min(true, SHARP)))


def _table(records: Sequence[Record]) -> str:
    return f"{_scores(records)}\n\n### Worse than the merged image\n\n{_harm(records)}"


def _scores(records: Sequence[Record]) -> str:
    head = ("world", "stacks", *(f"{name}, dB" for name in METHODS))
    rows = []
    for world, group in grouped(records, lambda r: r["world"]).items():
        errors = [error for r in group if (error := width_error(r)) is not None]
        right = sum(abs(error) < RIGHT_WIDTH for error in errors)
        cells = []
        for name in METHODS:
            psnr = mean(r["methods"][name]["psnr"] for r in group if name in r["methods"])
            cells.append("-" if math.isnan(psnr) else f"{psnr:.2f}")
        within = mean(r.get("within") for r in group)
        held = "-" if math.isnan(within) else f"{100 * within:.0f} %"
        rows.append([world, str(len(group)), *cells, f"{right} of {len(errors)}", held])
    return markdown([*head, "width within 15 %", "truth within 90 %"], rows)


def _harm(records: Sequence[Record]) -> str:
    head = ("method", "stacks", f"worse by over {HARM} dB", "most, dB", "least gain, dB")
    rows = []
    for name in METHODS[1:]:
        losses = [harm(record, name) for record in records if name in record["methods"]]
        if losses:
            worse, most = sum(loss > HARM for loss in losses), max(losses)
            told = f"{most:.2f}" if most > 0 else "-"
            rows.append([name, str(len(losses)), str(worse), told, f"{-most:+.2f}"])
    return markdown(head, rows)


def _finish(options: Options, records: Sequence[Record]) -> list[str]:
    losses = {record["case"]["stack"]: harm(record, OURS) for record in records}
    return [
        f"{stack} is {loss:.2f} dB worse than its merged image"
        for stack, loss in losses.items()
        if loss > HARM
    ]


SUITE = Suite(
    title="Other physics, other cameras",
    cases=lambda options: worlds_in(
        options.needed_images("worlds", "folders of stacks with truths")
    ),
    measure=lambda options: partial(measure, options.load()),
    table=lambda records: (
        f"{_scores(records)}\n\n### Worse than the merged image\n\n{_harm(records)}"
    ),
    notes=(
        "Stacks that another program made (see `burst/measure/suites/worlds.py`): layers of air"
        " along a path, fine and coarse pixels, defocus, bad frames, hands without any air, videos."
        ' No result may be more than 0.1 dB worse than the merged image. "PSF told" is given the'
        " true PSF of the air, where it is known. The width is where the blur's transfer function"
        " falls to half."
    ),
    finish=_finish,
)
