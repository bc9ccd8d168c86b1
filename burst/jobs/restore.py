"""Restore one stack from a file or folder: read it, restore it, write the folder of its result."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from burst.files.read import ReadOptions, read_stack
from burst.files.write import WriteError
from burst.fingerprint import step_keys
from burst.jobs.keep import StageFiles
from burst.pipeline import Pipeline, load
from burst.progress import part
from burst.records import ColourSpace, Provenance, Stack
from burst.restoration import (
    Execution,
    OnStage,
    StoreFactory,
    check_room,
    describe,
    made_by,
    restore_stack,
)
from burst.result import (
    OUTPUTS,
    PAGE,
    PICTURE,
    SETTINGS,
    belongs_to_another,
    earlier_report,
    outputs,
    write,
)
from burst.settings import ConfigError

# Measured: libraries, and memory fragmentation after many stacks.
BYTES_PER_PROCESS = 600_000_000

ERROR_LOG = "error.log"
STAGES = "stages"
READING, WRITING = 0.03, 0.93  # shares of the usual time, for the bar: reading ends, writing begins


@dataclass(frozen=True)
class Job:
    """One stack to restore with all options; `memory` is the limit in bytes, `fallback` the device
    that takes over where the first one runs out of memory."""

    path: Path
    folder: Path
    pipeline: str
    assignments: tuple[str, ...] = ()
    until: str | None = None
    reading: ReadOptions = field(default_factory=ReadOptions)
    device: str = "cpu"
    fallback: str | None = None
    threads: int = 1
    seed: int = 0
    keep_stages: bool = False
    page: bool = True
    colours: ColourSpace = "srgb"
    resume: bool = False
    memory: int | None = None

    def load_pipeline(self) -> Pipeline:
        """Load the pipeline with its overrides, cut after `until`; ConfigError if unfit."""
        pipeline = load(self.pipeline, self.assignments)
        return pipeline.until(self.until) if self.until else pipeline

    @property
    def execution(self) -> Execution:
        """Where and how the stack is restored."""
        return Execution(self.device, self.fallback, self.threads, self.seed, self.memory)


@dataclass(frozen=True)
class JobResult:
    """The result of a job: its files and warnings, and whether it was skipped as done before."""

    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()
    skipped: bool = False


def restore(job: Job, on_stage: OnStage | None) -> JobResult:
    """Restore the stack of a job into its folder; `on_stage` is called after every stage.

    StackError, ConfigError, CheckpointError or OSError where input or output are unusable.
    """
    pipeline = job.load_pipeline()
    with part("reading", end=READING):
        stack = read_stack(job.path, replace(job.reading, colour=pipeline.colour))
        provenance = describe(pipeline, stack, job.execution)
    earlier = earlier_report(job.folder)
    if (
        job.resume
        and earlier.get("fingerprint") == provenance.fingerprint
        and _complete(job, earlier)
    ):
        return JobResult(_files(job.folder), tuple(earlier.get("warnings", ())), skipped=True)
    _check_folder(job, provenance)
    check_room(stack, pipeline, job.execution)
    check_disk(job.folder, stack, made_by(pipeline, stack), job.keep_stages)
    job.folder.mkdir(parents=True, exist_ok=True)
    with part("", READING, WRITING):
        result = restore_stack(
            stack, pipeline, job.execution, provenance, on_stage, _store_factory(job)
        )
    with part("writing", WRITING):
        again = _again(job, result.provenance, result.burst.memory)
        write(result, job.folder, again, job.page, job.colours)
        (job.folder / ERROR_LOG).unlink(missing_ok=True)
    return JobResult(_files(job.folder), result.warnings)


def _store_factory(job: Job) -> StoreFactory | None:
    if not (job.keep_stages or job.resume):
        return None

    def of(channel: str, pipeline: Pipeline, stack: Stack) -> StageFiles:
        keys = step_keys(pipeline, stack, job.seed)
        return StageFiles(job.folder / STAGES / channel, keys, job.resume, job.keep_stages)

    return of


def _complete(job: Job, earlier: dict[str, Any]) -> bool:
    """Return whether a result folder has all files: the usual ones and those its report names."""
    usual = set(OUTPUTS) - {PICTURE} - (set() if job.page else {PAGE})
    return all((job.folder / name).is_file() for name in {*usual, *earlier.get("outputs", ())})


def _check_folder(job: Job, provenance: Provenance) -> None:
    """Raise ConfigError where the folder holds the result of another stack."""
    other = belongs_to_another(job.folder, str(job.path), provenance)
    if other:
        raise ConfigError(
            f"{job.folder}: expected an empty folder or the result of {job.path}, found that of"
            f" {other}. Pass another --out, or delete the folder."
        )


def _again(job: Job, provenance: Provenance, memory: int | None) -> str:
    """Return the command that repeats the run, byte for byte; sums over blocks of frames depend on
    the `memory` in bytes that blocks were made for."""
    reading = job.reading
    options = {
        "seed": job.seed,
        "threads": job.threads,
        "device": provenance.device,
        "black-level": None if reading.black_level is None else f"{reading.black_level:g}",
        "white-level": None if reading.white_level is None else f"{reading.white_level:g}",
        "colours": None if job.colours == "srgb" else job.colours,
        "dark": reading.dark and _quoted(reading.dark),
        "flat": reading.flat and _quoted(reading.flat),
        "memory": None if memory is None else memory + BYTES_PER_PROCESS,
        "axis": reading.axis,
    }
    said = " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
    stack = _quoted(job.path)
    return f"burst run --stack {stack} --pipeline {SETTINGS} {said} --out DIR"


def _quoted(path: Path) -> str:
    """Return the name of a file as a shell takes it, if TOML can hold it in a comment."""
    name = path.resolve().name
    return shlex.quote(name) if name.isprintable() else "PATH"


def _files(folder: Path) -> tuple[Path, ...]:
    return (*outputs(folder), *sorted((folder / STAGES).rglob("*.npz")))


# An image as float32, in 16 bits and for a display; kept stages of the default pipeline, whose
# frames take 4 bytes and whose displacements 8, twice; a page with pictures and plots.
BYTES_PER_PIXEL, BYTES_PER_PIXEL_KEPT, BYTES_OF_REPORT = 8, 22, 4_000_000


def check_disk(folder: Path, stack: Stack, made: int, keep_stages: bool) -> None:
    """Raise WriteError where the disk of a result's folder has too little room for it.

    `made` is the size in bytes of images of many instants. Disks of unknown free space pass.
    """
    pixels, colours = stack.height * stack.width, 3
    need = BYTES_OF_REPORT + colours * pixels * BYTES_PER_PIXEL + made
    if keep_stages:
        need += stack.count * pixels * BYTES_PER_PIXEL_KEPT
    whole = folder.absolute()
    place = next(one for one in (whole, *whole.parents) if one.is_dir())
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        # Some network drives do not report it; an error then comes when results are written.
        return
    if free < need:
        advice = "Leave out --keep-stages, make room" if keep_stages else "Make room"
        raise WriteError(
            f"{folder}: expected {need / 1e6:.0f} MB of free space for the results, found"
            f" {free / 1e6:.0f} MB. {advice}, or choose another --out."
        )
