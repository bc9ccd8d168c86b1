"""Restore one stack: run a pipeline on it, or on the four planes of a colour mosaic where a stage
does not take it whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Protocol

import numpy as np
from einops import rearrange

from burst.about import __version__
from burst.fingerprint import step_keys
from burst.lazy import torch
from burst.machine import (
    check_memory,
    gpu_need,
    is_out_of_gpu_memory,
    memory_needed,
    return_freed_memory,
    seed_all,
    set_up,
)
from burst.ops import bayer
from burst.ops.alignment import motion
from burst.pipeline import Pipeline, Step
from burst.progress import names_of_part, part
from burst.records import Burst, Provenance, Stack, StackError, given
from burst.result import Result

LOG = logging.getLogger("burst")

COMMON = 0.05  # share of the usual time of the stages that the planes of a mosaic have in common

OnStage = Callable[[str, str, float], None]  # stack, stage, seconds


@dataclass(frozen=True)
class Execution:
    """Where and how a stack is restored: `memory` is the limit in bytes (None: unknown), `fallback`
    the device that takes over where the first one runs out of memory."""

    device: str = "cpu"
    fallback: str | None = None
    threads: int = 1
    seed: int = 0
    memory: int | None = None


class StageStore(Protocol):
    """Where the results of the stages of one run are kept."""

    def restart(self, pipeline: Pipeline, stack: Stack, device: str) -> tuple[Burst, int]:
        """Return the burst after the stages whose kept results are valid, and their number."""
        ...

    def save(self, step: Step, before: Burst, after: Burst) -> object:
        """Keep the fields that one step changed."""
        ...


# Arguments: name of a colour plane ("" for none), the pipeline that is run on it, the plane.
StoreFactory = Callable[[str, Pipeline, Stack], StageStore]


def describe(pipeline: Pipeline, stack: Stack, execution: Execution) -> Provenance:
    """Return the provenance of the image that will be made of a stack.

    CheckpointError where a stage needs a file that is missing.
    """
    return Provenance(
        version=__version__,
        # The name alone, so that the same stack in another folder gives the same bytes.
        source=Path(stack.source).resolve().name if stack.source else stack.name,
        pipeline=pipeline.to_toml(),
        seed=execution.seed,
        threads=execution.threads,
        device=execution.device,
        fingerprint=list(step_keys(pipeline, stack, execution.seed).values())[-1],
    )


def check_room(stack: Stack, pipeline: Pipeline, execution: Execution) -> None:
    """Raise StackError where restoring a stack takes more memory than there is."""
    made = made_by(pipeline, stack)
    check_memory(stack, made, execution.memory, _takes_blocks(pipeline))


def memory_of_blocks(stack: Stack, pipeline: Pipeline, execution: Execution) -> int | None:
    """Return the limit in bytes within which frames are read block by block; None where they all
    fit into memory."""
    limit = execution.memory
    if limit is None or memory_needed(stack, made_by(pipeline, stack)) <= limit:
        return None
    return limit if _takes_blocks(pipeline) else None


def _takes_blocks(pipeline: Pipeline) -> bool:
    """Return whether every stage takes frames that are read block by block."""
    return all(getattr(step.stage, "BLOCKS", False) for step in pipeline.steps)


def made_by(pipeline: Pipeline, stack: Stack) -> int:
    """Return the bytes that results may take in addition to the stack."""
    return sum(step.memory(stack) for step in pipeline.steps)


def restore_stack(
    stack: Stack,
    pipeline: Pipeline,
    execution: Execution,
    provenance: Provenance,
    on_stage: OnStage,
    open_store: StoreFactory | None = None,
) -> Result:
    """Restore a stack; `on_stage` is called after every stage, in each plane.

    The four planes of a colour mosaic are restored one by one and joined, unless every stage takes
    the mosaic whole. StackError where a GPU
    has too little memory and there is no fallback.
    """
    set_up(execution.threads)
    try:
        memory = memory_of_blocks(stack, pipeline, execution)
        if memory is not None:
            LOG.info("%s: frames are read block by block, within %.1f GB", stack.name, memory / 1e9)
            if open_store:
                LOG.warning("%s: no stages are kept, as frames do not fit into memory", stack.name)
                open_store = None
        run = _Run(pipeline, execution, on_stage, open_store, memory)
        burst, pixels, deviation = run.image(stack)
    except RuntimeError as error:
        if not is_out_of_gpu_memory(error):
            raise
        need = gpu_need(stack)
        if execution.fallback is None:
            raise StackError(
                f"{need} Pass --device cpu, crop the frames, take fewer of them, or lower --jobs."
            ) from error
        LOG.warning("%s The %s goes on, which takes longer.", need, execution.fallback.upper())
    else:
        made = _with_network(provenance, burst)
        return Result(stack, burst, pixels, made, pipeline.own_files(), deviation)
    # Outside of the handler, which would keep the memory of the failed run.
    there = replace(execution, device=execution.fallback, fallback=None)
    moved = replace(provenance, device=execution.fallback)
    return restore_stack(stack, pipeline, there, moved, on_stage, open_store)


@dataclass(frozen=True)
class _Run:
    """One run of a pipeline, its callback, where its stages are kept, and the limit in bytes within
    which frames are read block by block (None: all at once)."""

    pipeline: Pipeline
    execution: Execution
    on_stage: OnStage
    open_store: StoreFactory | None = field(default=None)
    memory: int | None = None

    def image(self, stack: Stack) -> tuple[Burst, np.ndarray | None, np.ndarray | None]:
        """Return the last burst, the image (h, w) or (h, w, 3), or (t, h, w) or (t, h, w, 3) of
        several instants, and the deviation of one image; None of what no stage made.

        The burst of a colour mosaic that is taken apart is that of its first green plane.
        """
        if stack.sensor.cfa == "mono" or self.pipeline.mosaic:
            burst = self._burst(stack)
            colours = stack.colour is not None or stack.sensor.cfa != "mono"
            pixels, deviation = (
                None if found is None else _colour_last(found, colours)
                for found in (burst.image, burst.deviation)
            )
            return burst, pixels, deviation
        planes = dict(zip(bayer.PLANE_NAMES, bayer.split_planes(stack), strict=True))
        common = replace(self.pipeline, steps=self._common_steps())
        with part("all planes", end=COMMON):
            screened = self._burst(planes["G1"], "G1", pipeline=common)
        with _plane(1):
            shown = self._burst(planes["G1"], "G1", screened)
        screened = replace(
            screened, motion=motion_for_other_planes(shown), turbulence=shown.turbulence
        )
        images, deviations = {"G1": shown.image}, {"G1": shown.deviation}
        for number, name in enumerate((name for name in planes if name != "G1"), start=2):
            with _plane(number):
                plane = self._burst(planes[name], name, screened)
            images[name], deviations[name] = plane.image, plane.deviation
        pixels, deviation = (
            _join([found[name] for name in planes], stack.sensor.cfa)
            for found in (images, deviations)
        )
        return shown, pixels, deviation

    def _common_steps(self) -> tuple[Step, ...]:
        """Return the first steps whose result holds for all planes: those with `SHARED = True`."""
        return tuple(
            takewhile(lambda step: getattr(step.stage, "SHARED", False), self.pipeline.steps)
        )

    def _burst(
        self,
        stack: Stack,
        plane: str = "",
        screened: Burst | None = None,
        pipeline: Pipeline | None = None,
    ) -> Burst:
        """Run a pipeline on a stack, or on a plane whose common steps, motion and blur are those of
        `screened`."""
        pipeline = pipeline or self.pipeline
        kept = self.open_store(plane, pipeline, stack) if self.open_store else None
        burst, done = Burst(stack, self.execution.device, self.memory), 0
        if kept:
            burst, done = kept.restart(pipeline, stack, self.execution.device)
        before = burst

        def finish(step: Step, after: Burst) -> None:
            nonlocal before
            where = ", ".join((stack.name, *names_of_part()))
            self.on_stage(where, step.name, after.report.entries[-1].seconds)
            if kept:
                kept.save(step, before, after)
            before = after
            if after.memory is not None:
                return_freed_memory()
            seed_all(self.execution.seed)

        if screened is not None and done < len(screened.report.entries):
            burst, done = replace(screened, stack=stack), len(screened.report.entries)
            for step in () if stack is screened.stack else pipeline.steps[:done]:
                finish(step, burst)
        if screened is not None and burst.alignment is None:
            burst = replace(burst, motion=screened.motion)
        if screened is not None and burst.turbulence is None:
            burst = replace(burst, turbulence=screened.turbulence)
        before = burst
        rest = replace(pipeline, steps=pipeline.steps[done:])
        # Every stage starts from the same seed, so that resuming gives the same bytes.
        seed_all(self.execution.seed)
        return rest.run(burst, finish)


def _plane(number: int) -> AbstractContextManager[None]:
    """Report progress as that of one plane of a colour mosaic, 1 to 4."""
    begin, end = (COMMON + (1 - COMMON) * n / 4 for n in (number - 1, number))
    return part(f"plane {number} of 4", begin, end)


def motion_for_other_planes(plane: Burst) -> torch.Tensor | None:
    """Return the motion [n, 2, 3] about the mean frame that was found in one colour plane, with
    which all planes show the same part of the scene; a motion of rest if the camera did not
    move."""
    if plane.flow is None:
        return None
    if plane.motion is None:
        return torch.eye(2, 3).to(plane.flow).expand(len(plane.flow), 2, 3)
    left, top = given(given(plane.alignment).corner)
    return motion.shifted_grid(plane.motion, (-left, -top))


def _colour_last(image: torch.Tensor, colours: bool) -> np.ndarray:
    pixels = image.cpu().numpy()
    return rearrange(pixels, "... c h w -> ... h w c") if colours else pixels


def _join(images: Sequence[torch.Tensor | None], cfa: str) -> np.ndarray | None:
    """Return the colour image (h, w, 3) of the four planes [h/2, w/2], or (t, h, w, 3) of planes
    [t, h/2, w/2]; None if any is missing."""
    planes = [image for image in images if image is not None]
    if len(planes) < len(images):
        return None
    mosaics = bayer.planes_to_mosaic(torch.stack(planes, dim=-3), cfa)
    if mosaics.ndim == 3:
        colour = torch.stack([bayer.demosaic(mosaic, cfa) for mosaic in mosaics])
    else:
        colour = bayer.demosaic(mosaics, cfa)
    return rearrange(colour.cpu().numpy(), "... c h w -> ... h w c")


def _with_network(provenance: Provenance, burst: Burst) -> Provenance:
    """Add the checkpoint that a stage has used; with "auto" it is known only after the run."""
    found = burst.correction
    if found is None:
        return provenance
    return replace(provenance, checkpoint=found.checkpoint, checkpoint_sha256=found.sha256)
