"""Restore one stack: run a pipeline on it, or on each of its channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

import numpy as np
from einops import rearrange

from burst import channels
from burst.about import __version__
from burst.fingerprint import step_keys
from burst.lazy import torch
from burst.log import LOG
from burst.machine import check_memory, gpu_need, memory_needed, return_freed_memory, set_up
from burst.ops import bayer
from burst.pipeline import Pipeline, Step
from burst.progress import names_of_part, part
from burst.records import Burst, Provenance, Report, Stack, StackError, given
from burst.result import Result
from burst.settings import checked, setting

LEADING = 0.4  # share of the usual time of the stages that run on all channels together

# Planes [..., 4, h, w], their pattern and the gains of colours to colours [..., 3, 2h, 2w].
Interpolate: TypeAlias = "Callable[[torch.Tensor, str, tuple[float, float, float]], torch.Tensor]"
OnStage = Callable[[str, str, float], None]  # stack, stage, seconds


@checked
@dataclass(frozen=True)
class Execution:
    """Where and how a stack is restored: `memory` is the limit in bytes (None: unknown), `fallback`
    the device that takes over where the first one runs out of memory."""

    device: str = "cpu"
    fallback: str | None = None
    threads: Annotated[int, setting("of torch and OpenCV", ge=1)] = 1
    # The numbers that torch.manual_seed takes.
    seed: Annotated[int, setting("of all random numbers", ge=-(2**63), lt=2**64)] = 0
    memory: Annotated[int | None, setting("at most", unit="bytes", ge=0)] = None


class StageStore(Protocol):
    """Where the results of the stages of one run are kept."""

    def restart(self, pipeline: Pipeline, burst: Burst) -> tuple[Burst, int]:
        """Return the burst after the stages whose kept results are valid, and their number."""
        ...

    def save(self, step: Step, before: Burst, after: Burst) -> object:
        """Keep the fields that one step changed."""
        ...


# Arguments: name of a channel ("" for none), the pipeline that is run on it, the whole stack.
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
    """Return the bytes within which frames are read block by block; None if all fit."""
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
    on_stage: OnStage | None = None,
    open_store: StoreFactory | None = None,
) -> Result:
    """Restore a stack; `on_stage` is called after every stage, in each channel.

    Channels are restored one by one and joined, unless stages take them whole. StackError where a
    GPU has too little memory and there is no fallback.
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
    except torch.OutOfMemoryError as error:
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
    on_stage: OnStage | None
    open_store: StoreFactory | None = None
    memory: int | None = None

    def image(self, stack: Stack) -> tuple[Burst, np.ndarray | None, np.ndarray | None]:
        """Return the last burst, the image (h, w) or (h, w, 3), or (t, h, w) or (t, h, w, 3) of
        several instants, and the deviation of one image; None of what no stage made.

        Where channels are restored one by one, the burst is that of the first, a green one.
        """
        if not channels.follow_one(stack, self.pipeline):
            burst = self._burst(Burst(stack, self.execution.device, self.memory))
            colours = stack.colour is not None or stack.sensor.cfa != "mono"
            pixels, deviation = (
                None if found is None else _colour_last(found, colours)
                for found in (burst.image, burst.deviation)
            )
            return burst, pixels, deviation
        done = self._channels(stack)
        shown = next(iter(done.values()))
        pixels, deviation = (
            join({name: getattr(burst, field) for name, burst in done.items()}, stack, interpolate)
            for field, interpolate in (("image", bayer.join_colours), ("deviation", _of_mosaic))
        )
        lateral = {name: given(b.channel).lateral for name, b in done.items() if b.channel}
        return replace(shown, report=_with_lateral(shown.report, lateral)), pixels, deviation

    def _channels(self, stack: Stack) -> dict[str, Burst]:
        """Return the last burst of every channel by name, the first one first."""
        lead = Burst(stack, self.execution.device, self.memory)
        steps = channels.leading_steps(self.pipeline)
        if steps:
            with part("all channels", end=LEADING):
                lead = replace(lead, stack=channels.leader(stack))
                lead = self._burst(lead, "lead", replace(self.pipeline, steps=steps), stack)
            # Every channel has frames of its own.
            lead = replace(lead, linear=None)
        done: dict[str, Burst] = {}
        found = channels.channels(stack)
        for number, channel in enumerate(found):
            begin, end = (LEADING + (1 - LEADING) * n / len(found) for n in (number, number + 1))
            with part(f"channel {number + 1} of {len(found)}", begin, end):
                start = channels.follower(channel, lead, next(iter(done.values()), None))
                last = self._burst(start, channel.name, whole=stack, lead=lead if steps else None)
            done[channel.name] = last if number == 0 else _result_of(last)
        return done

    def _burst(
        self,
        burst: Burst,
        name: str = "",
        pipeline: Pipeline | None = None,
        whole: Stack | None = None,
        lead: Burst | None = None,
    ) -> Burst:
        """Run a pipeline on a burst of which nothing is known, or on the `name` of the channels of
        a `whole` stack; with a `lead`, its shared steps are done."""
        pipeline = pipeline or self.pipeline
        store = self.open_store(name, pipeline, whole or burst.stack) if self.open_store else None
        done = 0
        if store:
            burst, done = store.restart(pipeline, burst)
        before = burst

        def finish(step: Step, after: Burst) -> None:
            nonlocal before
            where = ", ".join((after.stack.name, *names_of_part()))
            if self.on_stage and (lead is None or not channels.is_shared(step)):
                self.on_stage(where, step.name, after.report.entries[-1].seconds)
            if store:
                store.save(step, before, after)
            before = after
            if after.memory is not None:
                return_freed_memory()
            torch.manual_seed(self.execution.seed)

        # Every stage starts from the same seed, so that resuming gives the same bytes.
        torch.manual_seed(self.execution.seed)
        rest = replace(pipeline, steps=pipeline.steps[done:])
        return rest.run(burst, finish, None if lead is None else lead.report)


def _result_of(burst: Burst) -> Burst:
    """Return a channel's burst without what takes memory and is needed no more."""
    return replace(
        burst, linear=None, valid=None, flow=None, row_motion=None, tile_sharpness=None, psf=None
    )


def _with_lateral(report: Report, lateral: Mapping[str, tuple[float, ...]]) -> Report:
    """Return the report with what each channel lay off the first before it was laid on it."""
    found = {name: list(values) for name, values in lateral.items() if any(values)}
    return report.note_of("align", lateral_colour=found) if found else report


def _colour_last(image: torch.Tensor, colours: bool) -> np.ndarray:
    pixels = image.cpu().numpy()
    return rearrange(pixels, "... c h w -> ... h w c") if colours else pixels


def join(
    images: Mapping[str, torch.Tensor | None], stack: Stack, interpolate: Interpolate
) -> np.ndarray | None:
    """Return the colour image [..., h, w, 3] of those of all channels, or of the planes of a mosaic
    as they are interpolated; None if one is missing."""
    found = {name: image for name, image in images.items() if image is not None}
    if len(found) < len(images):
        return None
    if stack.sensor.cfa == "mono":
        colour = torch.stack([found[name] for name in channels.COLOURS], dim=-3)
    else:
        planes = torch.stack([found[name] for name in bayer.PLANE_NAMES], dim=-3)
        cfa, balance = stack.sensor.cfa, stack.sensor.white_balance
        colour = interpolate(planes, cfa, balance)
    return rearrange(colour.cpu().numpy(), "... c h w -> ... h w c")


def _of_mosaic(planes: torch.Tensor, cfa: str, balance: tuple[float, float, float]) -> torch.Tensor:
    """Return the colours of planes within the range of their values, as deviations need."""
    return bayer.demosaic(bayer.planes_to_mosaic(planes, cfa), cfa, balance)


def _with_network(provenance: Provenance, burst: Burst) -> Provenance:
    """Add the checkpoint that a stage has used; with "auto" it is known only after the run."""
    found = burst.correction
    if found is None:
        return provenance
    return replace(provenance, checkpoint=found.checkpoint, checkpoint_sha256=found.sha256)
