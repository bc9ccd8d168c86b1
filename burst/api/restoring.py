"""Read a stack and restore it: `read`, `restore`, `pipelines`, `load_pipeline`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from burst.api.words import check_device, in_words_of_python
from burst.config import list_pipelines
from burst.files.check import check_levels, check_shape
from burst.files.npy import axis_of
from burst.files.read import ReadOptions, read_stack, stack_of
from burst.jobs.bar import bar_of
from burst.lazy import torch
from burst.machine import as_before, available_memory, devices_of
from burst.pipeline import Pipeline, load
from burst.progress import listening_to
from burst.records import Sensor, Stack, StackError
from burst.restoration import Execution, check_room, describe, restore_stack
from burst.result import Result


def read(
    source: str | Path | np.ndarray,
    *,
    sensor: Sensor | None = None,
    black_level: float | None = None,
    white_level: float | None = None,
    axis: Literal["frames-first", "frames-last"] | None = None,
    colour: bool = True,
    dark: str | Path | None = None,
    flat: str | Path | None = None,
) -> Stack:
    """Read a file or a folder of frames, or take an array, as a Stack.

    source       a path, or numbers (n, h, w) or (h, w, n) of any type
    sensor       what made the numbers of an array; a file has its own, or a sidecar
    black_level  at no light, and `white_level` at saturation, in the unit of the numbers; both
                 have the last word over file, sidecar and `sensor`
    axis         "frames-first" or "frames-last", where neither shape nor values tell
    colour       also read the colours of images and videos
    dark, flat   files or folders of frames without light, and of an even bright surface

    Fractions, negative numbers and those beyond 16 bits are scaled into 16 bits, the levels with
    them. StackError says what is wrong.

    >>> import burst, numpy as np
    >>> frames = np.random.default_rng(0).uniform(0, 1, (64, 64, 20))
    >>> stack = burst.read(frames, black_level=0.0)
    >>> stack.frames.shape, stack.frames.dtype, stack.sensor.white_level
    ((20, 64, 64), dtype('uint16'), 65535.0)
    """
    with in_words_of_python():
        paths = (None if path is None else Path(path) for path in (dark, flat))
        options = ReadOptions(black_level, white_level, axis, colour, *paths)
        if not isinstance(source, (str, Path)):
            return stack_of(_numbers(source), sensor, options)
        if sensor is not None:
            raise StackError(
                "sensor: expected it with an array, found it with a file. Change the Stack that is"
                " read: dataclasses.replace(stack, sensor=...)."
            )
        return read_stack(Path(source), options)


def restore(
    stack: Stack | str | Path | np.ndarray,
    pipeline: str | Path | Pipeline = "turbulence",
    *,
    sensor: Sensor | None = None,
    until: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: bool = True,
    **settings: Any,
) -> Result:
    """Restore a stack: many bad frames of one scene in, one sharp image out.

    stack     a Stack, the path of one, or an array with its `sensor`
    pipeline  a name of `pipelines()`, the path of a TOML file, or a Pipeline
    until     the last stage to run
    device    "auto", "cpu", "cuda" or "mps"; where "auto" finds a GPU that runs out of memory,
              the CPU goes on
    threads   as many as torch is set to use, if None; their number decides the last bits
    seed      of all random numbers
    memory    bytes that may be taken beside what the process holds, the free memory if None; a
              stack that needs more is read block by block
    progress  show a bar on stderr
    settings  of stages by their names: select={"keep": 0.5}

    The same stack, settings, seed, threads and device give the same image to the bit. Threads and
    random numbers of the process are afterwards as before. ConfigError, StackError and
    CheckpointError say what is wrong.

    >>> import burst
    >>> stack = burst.simulate("camera", frames=8, size=64).stack
    >>> result = burst.restore(stack, "classical", select={"keep": 0.5}, progress=False)
    >>> result.image.shape, str(result.image.dtype)
    ((64, 64), 'float32')
    >>> int((result.weights > 0).sum()), result.psf.shape[1:]
    (4, (33, 33))
    >>> [entry.stage for entry in result.report.entries][-1]
    'deconvolve'
    """
    with in_words_of_python():
        wanted = load_pipeline(pipeline, **settings)
        wanted = wanted.until(until) if until else wanted
        stack = _as_stack(stack, sensor, wanted)
        check_device(device := str(device))
        first, fallback = devices_of(device)
        with ExitStack() as around:
            around.enter_context(as_before())
            threads = torch.get_num_threads() if threads is None else threads
            execution = Execution(first, fallback, threads, seed, memory)
            execution = replace(execution, memory=available_memory(memory))
            check_room(stack, wanted, execution)
            show = around.enter_context(bar_of(1, not progress))
            around.enter_context(listening_to(partial(show, Path(stack.name)) if show else None))
            made = describe(wanted, stack, execution)
            return restore_stack(stack, wanted, execution, made)


def load_pipeline(pipeline: str | Path | Pipeline = "turbulence", **settings: Any) -> Pipeline:
    """Load a pipeline by name or path, with settings of its stages.

    `Pipeline.to_toml()` is the text of all settings; `Pipeline.with_stage` adds a stage.

    >>> import burst
    >>> pipeline = burst.load_pipeline("classical", blur={"size": 21})
    >>> [step.name for step in pipeline.steps][:3]
    ['screen', 'noise', 'select']
    >>> burst.load_pipeline("classical", blurr={"size": 21})
    Traceback (most recent call last):
    burst.settings.ConfigError: ... Did you mean 'blur'?
    """
    if isinstance(pipeline, Pipeline):
        return pipeline.with_settings(settings)
    return load(str(pipeline), (), settings)


def pipelines() -> dict[str, str]:
    """Return the name of every pipeline that is found, and what it is for.

    The stages that they are made of are the modules of `burst.stages`.

    >>> import burst
    >>> burst.pipelines()["classical"]
    'classical: raw frames in, one image out, no network'
    >>> "deconvolve" in dir(burst.stages)
    True
    """
    return list_pipelines()


def _as_stack(
    source: Stack | str | Path | np.ndarray, sensor: Sensor | None, pipeline: Pipeline
) -> Stack:
    """Return what is to be restored, with its colours only if a stage takes them."""
    if not isinstance(source, Stack):
        return read(source, sensor=sensor, colour=pipeline.colour)
    if sensor is not None:
        raise StackError(
            "sensor: expected it with an array, found it with a Stack, which has its own. Pass"
            " dataclasses.replace(stack, sensor=...)."
        )
    # The axes of a file were found or given when it was read; those of an array may be in any
    # order.
    if not source.source and axis_of(source.frames) == "frames-last":
        raise StackError(
            f"{source.name}: expected frames (n, h, w), found {source.frames.shape}, which looks"
            " like (h, w, n). Pass the array to burst.read, which finds the order, or turn it by"
            " numpy.moveaxis(array, -1, 0)."
        )
    check_shape(source.name, source.frames.shape)
    check_levels(source.name, source.frames, source.sensor)
    return source if pipeline.colour else replace(source, colour=None)


def _numbers(source: Any) -> np.ndarray:
    """Return the array of an array, a tensor, or a list of frames; NaN where it is masked."""
    if isinstance(source, np.ma.MaskedArray) and np.ma.is_masked(source):
        return np.asarray(np.ma.filled(source.astype(np.float64), np.nan))
    if hasattr(source, "detach"):
        source = source.detach().cpu()
        source = source.float() if source.dtype == torch.bfloat16 else source
    try:
        array = np.asarray(source)
    except ValueError:
        array = np.empty(0, object)
    if (array.dtype == object and not isinstance(source, np.ndarray)) or array.ndim == 0:
        raise StackError(
            "stack: expected a Stack, a path, an array, a tensor, or frames of one size, found a"
            f" {type(source).__name__}."
        )
    return array
