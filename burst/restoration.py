"""Restore one stack: run a pipeline on it, or on the four planes of a colour mosaic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from einops import rearrange

from burst import __version__
from burst.fingerprint import step_keys
from burst.machine import check_memory, gpu_need, is_out_of_gpu_memory, seed_all, set_up
from burst.pipeline import Pipeline, Step
from burst.progress import names_of_part, part
from burst.records import Burst, Provenance, Stack, StackError, given
from burst.result import Result

if TYPE_CHECKING:
    import torch

LOG = logging.getLogger("burst")

COMMON = 0.05  # share of the usual time of the stages that the planes of a mosaic have in common

Watch = Callable[[str, str, float], None]  # stack, stage, seconds


@dataclass(frozen=True)
class Terms:
    """On what a stack is restored: `memory` is the limit in bytes (None: unknown), and `spare` the
    device that goes on where the first one runs out of memory."""

    device: str = "cpu"
    spare: str | None = None
    threads: int = 1
    seed: int = 0
    memory: int | None = None


class Kept(Protocol):
    """What is kept of the stages of one run."""

    def restart(self, pipeline: Pipeline, stack: Stack, device: str) -> tuple[Burst, int]:
        """Return the burst after the stages that need not run again, and how many those are."""
        ...

    def save(self, step: Step, before: Burst, after: Burst) -> object:
        """Keep what one step changed."""
        ...


# The name of a colour plane ("" for none), the pipeline that is run on it, the plane.
Keeping = Callable[[str, Pipeline, Stack], Kept]


def describe(pipeline: Pipeline, stack: Stack, terms: Terms) -> Provenance:
    """Return what makes the image of a stack, before it is made.

    CheckpointError where a stage wants a file that is missing.
    """
    return Provenance(
        version=__version__,
        # The name alone: however the path is spelled, the same stack gives the same bytes.
        source=Path(stack.source).resolve().name if stack.source else stack.name,
        pipeline=pipeline.to_toml(),
        seed=terms.seed,
        threads=terms.threads,
        device=terms.device,
        fingerprint=list(step_keys(pipeline, stack, terms.seed).values())[-1],
    )


def check_room(stack: Stack, pipeline: Pipeline, terms: Terms) -> None:
    """Raise StackError where restoring a stack takes more memory than there is."""
    check_memory(stack, made_by(pipeline, stack), terms.memory)


def made_by(pipeline: Pipeline, stack: Stack) -> int:
    """Return the bytes that results may take beside the stack."""
    return sum(step.memory(stack) for step in pipeline.steps)


def restore_stack(
    stack: Stack,
    pipeline: Pipeline,
    terms: Terms,
    provenance: Provenance,
    watch: Watch,
    keeping: Keeping | None = None,
) -> Result:
    """Restore a stack; `watch` is told of every stage that is done, in each plane.

    The four planes of a colour mosaic are restored one by one and put together. StackError where
    a GPU has too little memory and no other device goes on.
    """
    set_up(terms.threads)
    try:
        burst, pixels = _Run(pipeline, terms, watch, keeping).image(stack)
    except RuntimeError as error:
        if not is_out_of_gpu_memory(error):
            raise
        need = gpu_need(stack)
        if terms.spare is None:
            raise StackError(
                f"{need} Pass --device cpu, crop the frames, take fewer of them, or lower --jobs."
            ) from error
        LOG.warning("%s The %s goes on, which takes longer.", need, terms.spare.upper())
    else:
        return Result(stack, burst, pixels, _with_network(provenance, burst), pipeline.own_files())
    # Outside of the handler, which holds on to the memory of what has failed.
    there = replace(terms, device=terms.spare, spare=None)
    moved = replace(provenance, device=terms.spare)
    return restore_stack(stack, pipeline, there, moved, watch, keeping)


@dataclass(frozen=True)
class _Run:
    """One run of a pipeline: what is kept of it, and who is told."""

    pipeline: Pipeline
    terms: Terms
    watch: Watch
    keeping: Keeping | None = field(default=None)

    def image(self, stack: Stack) -> tuple[Burst, np.ndarray | None]:
        """Return the last burst and the image (h, w) or (h, w, 3), or (t, h, w) or (t, h, w, 3) of
        several instants; None if no stage made one.

        The burst of a colour mosaic is that of its first green plane.
        """
        if stack.sensor.cfa == "mono":
            burst = self._burst(stack)
            return burst, None if burst.image is None else _colour_last(burst.image, stack)
        from burst.ops.bayer import PLANE_NAMES, split_planes

        planes = dict(zip(PLANE_NAMES, split_planes(stack), strict=True))
        common = replace(self.pipeline, steps=self._common_steps())
        with part("all planes", end=COMMON):
            judged = self._burst(planes["G1"], "G1", pipeline=common)
        with _plane(1):
            shown = self._burst(planes["G1"], "G1", judged)
        judged = replace(judged, motion=motion_for_others(shown))
        images = {"G1": shown.image}
        for number, name in enumerate((name for name in planes if name != "G1"), start=2):
            with _plane(number):
                images[name] = self._burst(planes[name], name, judged).image
        return shown, _join([images[name] for name in planes], stack.sensor.cfa)

    def _common_steps(self) -> tuple[Step, ...]:
        """Return the first steps that judge the frames of all planes alike: `SHARED = True`."""
        return tuple(
            takewhile(lambda step: getattr(step.stage, "SHARED", False), self.pipeline.steps)
        )

    def _burst(
        self,
        stack: Stack,
        plane: str = "",
        judged: Burst | None = None,
        pipeline: Pipeline | None = None,
    ) -> Burst:
        """Run a pipeline on a stack, or on a plane whose common steps and motion are those of
        `judged`."""
        pipeline = pipeline or self.pipeline
        kept = self.keeping(plane, pipeline, stack) if self.keeping else None
        burst, done = Burst(stack, self.terms.device), 0
        if kept:
            burst, done = kept.restart(pipeline, stack, self.terms.device)
        before = burst

        def finish(step: Step, after: Burst) -> None:
            nonlocal before
            where = ", ".join((stack.name, *names_of_part()))
            self.watch(where, step.name, after.report.entries[-1].seconds)
            if kept:
                kept.save(step, before, after)
            before = after
            seed_all(self.terms.seed)

        if judged is not None and done < len(judged.report.entries):
            burst, done = replace(judged, stack=stack), len(judged.report.entries)
            for step in () if stack is judged.stack else pipeline.steps[:done]:
                finish(step, burst)
        if judged is not None and burst.alignment is None:
            burst = replace(burst, motion=judged.motion)
        before = burst
        rest = replace(pipeline, steps=pipeline.steps[done:])
        # Every stage starts from the same seed, so that resuming gives the same bytes.
        seed_all(self.terms.seed)
        return rest.run(burst, finish)


def _plane(number: int) -> AbstractContextManager[None]:
    """Count a plane of a colour mosaic, 1 to 4, as a part of the work."""
    begin, end = (COMMON + (1 - COMMON) * n / 4 for n in (number - 1, number))
    return part(f"plane {number} of 4", begin, end)


def motion_for_others(plane: Burst) -> torch.Tensor | None:
    """Return the motion [n, 2, 3] about the mean of the frames that one colour plane found, so that
    all planes show the same part of the scene; no motion at all where there was none."""
    import torch

    from burst.ops.alignment.motion import shifted_grid

    if plane.flow is None:
        return None
    if plane.motion is None:
        return torch.eye(2, 3).to(plane.flow).expand(len(plane.flow), 2, 3)
    left, top = given(given(plane.alignment).corner)
    return shifted_grid(plane.motion, (-left, -top))


def _colour_last(image: torch.Tensor, stack: Stack) -> np.ndarray:
    pixels = image.cpu().numpy()
    return pixels if stack.colour is None else rearrange(pixels, "... c h w -> ... h w c")


def _join(images: Sequence[torch.Tensor | None], cfa: str) -> np.ndarray | None:
    """Return the colour image (h, w, 3) of the four planes [h/2, w/2], or (t, h, w, 3) of planes
    [t, h/2, w/2]; None if any is missing."""
    import torch

    from burst.ops.bayer import demosaic, planes_to_mosaic

    planes = [image for image in images if image is not None]
    if len(planes) < len(images):
        return None
    mosaics = planes_to_mosaic(torch.stack(planes, dim=-3), cfa)
    if mosaics.ndim == 3:
        colour = torch.stack([demosaic(mosaic, cfa) for mosaic in mosaics])
    else:
        colour = demosaic(mosaics, cfa)
    return rearrange(colour.cpu().numpy(), "... c h w -> ... h w c")


def _with_network(provenance: Provenance, burst: Burst) -> Provenance:
    """Name the checkpoint that a stage has used; which one fits is known only after the run."""
    found = burst.correction
    if found is None:
        return provenance
    return replace(provenance, checkpoint=found.checkpoint, checkpoint_sha256=found.sha256)
