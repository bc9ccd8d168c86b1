"""Restore one stack: read it, run the pipeline, write the result folder."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from einops import rearrange

from burst import __version__
from burst.config import ConfigError
from burst.files.layouts.listing import read_images_alike
from burst.files.layouts.published import truths_beside
from burst.files.read import ReadOptions, read_stack
from burst.files.write import write_instants, write_results, write_text
from burst.jobs.disk import check_disk
from burst.jobs.keep import Keeper, step_keys
from burst.machine import check_memory, gpu_need, is_out_of_gpu_memory, seed_all, set_up
from burst.pipeline import Pipeline, Step, load
from burst.progress import names_of_part, part
from burst.records import Burst, Provenance, Stack, StackError
from burst.report.rolling import Instants, frame_image, from_dn
from burst.report.write import JSON_NAME, write_report

if TYPE_CHECKING:
    import torch

LOG = logging.getLogger("burst")

PICTURE = "restored.png"
IMAGES = ("restored.npy", "restored.tif", PICTURE)
FILM, INSTANTS = "restored.mp4", "restored-*.png"  # in place of one picture
SETTINGS = "pipeline.toml"
OUTPUTS = (*IMAGES, "report.json", "report.html", SETTINGS)
ERROR_LOG = "error.log"
STAGES = "stages"

# Shares of the usual time, for the bar: when reading ends, when writing begins, and when the stages
# are done that a mosaic's planes have in common.
READING, WRITING, COMMON = 0.03, 0.93, 0.05

Watch = Callable[[str, str, float], None]  # stack, stage, seconds


@dataclass(frozen=True)
class Job:
    """One stack to restore and all that was said about it; `memory` is the limit in bytes, and
    `spare` the device that goes on where the first one runs out of memory."""

    path: Path
    folder: Path
    pipeline: str
    assignments: tuple[str, ...] = ()
    until: str | None = None
    reading: ReadOptions = field(default_factory=ReadOptions)
    device: str = "cpu"
    spare: str | None = None
    threads: int = 1
    seed: int = 0
    keep_stages: bool = False
    resume: bool = False
    memory: int | None = None

    def load_pipeline(self) -> Pipeline:
        """Load the pipeline with its overrides, cut after `until`; ConfigError if unfit."""
        pipeline = load(self.pipeline, self.assignments)
        return pipeline.until(self.until) if self.until else pipeline


@dataclass(frozen=True)
class Result:
    """What restoring a stack left: files, warnings, and whether it had been done before."""

    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()
    skipped: bool = False


def restore(job: Job, watch: Watch) -> Result:
    """Restore the stack of a job into its folder; `watch` is told of every stage that is done.

    StackError, ConfigError, CheckpointError or OSError say what is wrong with input or output.
    """
    pipeline = job.load_pipeline()
    with part("reading", end=READING):
        stack = read_stack(job.path, replace(job.reading, colour=pipeline.colour))
        keys = step_keys(pipeline, stack, job.seed)
    provenance = _describe(job, pipeline, keys)
    earlier = _earlier(job.folder)
    if (
        job.resume
        and earlier.get("fingerprint") == provenance.fingerprint
        and _complete(job.folder, earlier)
    ):
        return Result(_outputs(job.folder), tuple(earlier.get("warnings", ())), skipped=True)
    _check_folder(job, earlier, provenance)
    made = sum(step.memory(stack) for step in pipeline.steps)
    check_memory(stack, made, job.memory)
    check_disk(job.folder, stack, made, job.keep_stages)
    job.folder.mkdir(parents=True, exist_ok=True)
    set_up(job.threads)
    with part("", READING, WRITING):
        restored = _image(job, pipeline, watch, stack)
    if restored is None:
        return restore(replace(job, device=job.spare or "cpu", spare=None), watch)
    burst, image = restored
    with part("writing", WRITING):
        for name, source in pipeline.own_files().items():
            write_text(job.folder / name, source.read_text("utf-8"))
        _write(job, stack, burst, image, _with_network(provenance, burst))
    return Result(_outputs(job.folder), burst.report.warnings)


def _image(
    job: Job, pipeline: Pipeline, watch: Watch, stack: Stack
) -> tuple[Burst, np.ndarray | None] | None:
    """Return what `_Run.image` does; None where the GPU has too little memory and another device
    is to go on, StackError where there is no other."""
    try:
        return _Run(job, pipeline, watch).image(stack)
    except RuntimeError as error:
        if not is_out_of_gpu_memory(error):
            raise
        need = gpu_need(stack)
        if job.spare is None:
            raise StackError(
                f"{need} Pass --device cpu, crop the frames, take fewer of them, or lower --jobs."
            ) from error
        LOG.warning("%s The %s goes on, which takes longer.", need, job.spare.upper())
        return None


class _Run:
    """One run of a pipeline: which stages are kept, where to start, who is told."""

    def __init__(self, job: Job, pipeline: Pipeline, watch: Watch) -> None:
        self.job, self.pipeline, self.watch = job, pipeline, watch

    def image(self, stack: Stack) -> tuple[Burst, np.ndarray | None]:
        """Return the last burst and the image (h, w) or (h, w, 3), or (t, h, w) or (t, h, w, 3) of
        several instants; None if no stage made one.

        The four planes of a colour mosaic are restored one by one; the burst is that of the first
        green one.
        """
        folder = self.job.folder / STAGES
        if stack.sensor.cfa == "mono":
            burst = self._burst(stack, folder)
            return burst, None if burst.image is None else _colour_last(burst.image, stack)
        from burst.ops.bayer import PLANE_NAMES, split_planes

        planes = dict(zip(PLANE_NAMES, split_planes(stack), strict=True))
        common = replace(self.pipeline, steps=self._common_steps())
        with part("all planes", end=COMMON):
            judged = self._burst(planes["G1"], folder / "G1", pipeline=common)
        with _plane(1):
            shown = self._burst(planes["G1"], folder / "G1", judged)
        judged = replace(judged, motion=_motion_for_others(shown))
        images = {"G1": shown.image}
        for number, name in enumerate((name for name in planes if name != "G1"), start=2):
            with _plane(number):
                images[name] = self._burst(planes[name], folder / name, judged).image
        return shown, _join([images[name] for name in planes], stack.sensor.cfa)

    def _common_steps(self) -> tuple[Step, ...]:
        """Return the first steps that judge the frames of all planes alike: `SHARED = True`."""
        return tuple(
            takewhile(lambda step: getattr(step.stage, "SHARED", False), self.pipeline.steps)
        )

    def _burst(
        self,
        stack: Stack,
        folder: Path,
        judged: Burst | None = None,
        pipeline: Pipeline | None = None,
    ) -> Burst:
        """Run a pipeline on a stack, or on a plane whose common steps and motion are those of
        `judged`."""
        pipeline = pipeline or self.pipeline
        keeper = Keeper(folder, step_keys(pipeline, stack, self.job.seed))
        burst, done = Burst(stack, self.job.device), 0
        if self.job.resume:
            burst, done = keeper.restart(pipeline, stack, self.job.device)
            if done:
                LOG.info("%s: goes on after %s", stack.name, pipeline.steps[done - 1].name)
        before = burst

        def finish(step: Step, after: Burst) -> None:
            nonlocal before
            where = ", ".join((stack.name, *names_of_part()))
            self.watch(where, step.name, after.report.entries[-1].seconds)
            if self.job.keep_stages:
                keeper.save(step, before, after)
            before = after
            seed_all(self.job.seed)

        if judged is not None and done < len(judged.report.entries):
            burst, done = replace(judged, stack=stack), len(judged.report.entries)
            for step in () if stack is judged.stack else pipeline.steps[:done]:
                finish(step, burst)
        if judged is not None and not burst.report.numbers("align"):
            burst = replace(burst, motion=judged.motion)
        before = burst
        rest = replace(pipeline, steps=pipeline.steps[done:])
        # Every stage starts from the same seed, so that resuming gives the same bytes.
        seed_all(self.job.seed)
        return rest.run(burst, finish)


def _plane(number: int) -> AbstractContextManager[None]:
    """Say that a plane of a colour mosaic, 1 to 4, is restored."""
    begin, end = (COMMON + (1 - COMMON) * n / 4 for n in (number - 1, number))
    return part(f"plane {number} of 4", begin, end)


def _motion_for_others(plane: Burst) -> torch.Tensor | None:
    """Return the motion [n, 2, 3] about the mean of the frames that one colour plane found, so that
    all planes show the same part of the scene; no motion at all where there was none."""
    import torch

    from burst.ops.alignment.motion import shifted_grid

    if plane.flow is None:
        return None
    if plane.motion is None:
        return torch.eye(2, 3).to(plane.flow).expand(len(plane.flow), 2, 3)
    left, top = plane.report.numbers("align")["part"]["offset_in_mean_frame"]
    return shifted_grid(plane.motion, (-left, -top))


def _is_sequence(burst: Burst) -> bool:
    """Tell whether the image of a burst is of several instants."""
    assert burst.image is not None
    return burst.image.ndim > (2 if burst.stack.colour is None else 3)


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


def _describe(job: Job, pipeline: Pipeline, keys: dict[str, str]) -> Provenance:
    return Provenance(
        version=__version__,
        # The name alone: however the path is spelled, the same stack gives the same bytes.
        source=job.path.resolve().name,
        pipeline=pipeline.to_toml(),
        seed=job.seed,
        threads=job.threads,
        device=job.device,
        fingerprint=list(keys.values())[-1],
    )


def _with_network(provenance: Provenance, burst: Burst) -> Provenance:
    """Name the checkpoint that a stage has noted; which one fits is known only after the run."""
    for entry in burst.report.entries:
        if "checkpoint" in entry.numbers:
            return replace(
                provenance,
                checkpoint=entry.numbers["checkpoint"],
                checkpoint_sha256=entry.numbers["checkpoint_sha256"],
            )
    return provenance


def _earlier(folder: Path) -> dict[str, Any]:
    """Return the report of an earlier run in this folder; empty if there is none to be read."""
    try:
        report = json.loads((folder / JSON_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        # A report that cannot be read says nothing; the run writes a new one.
        return {}
    return report if isinstance(report, dict) else {}


def _complete(folder: Path, earlier: dict[str, Any]) -> bool:
    """Tell whether all is there: what every run writes, and what the report names."""
    names = {*(name for name in OUTPUTS if name != PICTURE), *earlier.get("outputs", ())}
    return all((folder / name).is_file() for name in names)


def _check_folder(job: Job, earlier: dict[str, Any], provenance: Provenance) -> None:
    """Refuse to write over the result of another stack; the same stack may be done again."""
    source = earlier.get("stack", {}).get("source")
    if source is None or earlier.get("fingerprint") == provenance.fingerprint:
        return
    if Path(source).resolve() != job.path.resolve():
        raise ConfigError(
            f"{job.folder}: expected an empty folder or the result of {job.path}, found that of"
            f" {source}. Pass another --out, or delete the folder."
        )


def _write(
    job: Job, stack: Stack, burst: Burst, image: np.ndarray | None, provenance: Provenance
) -> None:
    """Write all results; without an image, an earlier one goes, as it is no longer true."""
    several = image is not None and _is_sequence(burst)
    write = write_instants if several else write_results
    new = [] if image is None else write(job.folder, image, burst.stack.sensor, provenance)
    for path in set(_images(job.folder)) - set(new):
        path.unlink()
    shown = image[len(image) // 2] if image is not None and several else image
    write_text(job.folder / SETTINGS, _again(job) + provenance.pipeline)
    (job.folder / ERROR_LOG).unlink(missing_ok=True)
    instants = _instants(job, burst, image, several)
    mosaic = None if stack.sensor.cfa == "mono" else stack
    write_report(job.folder, burst, provenance, shown, instants, mosaic)


def _instants(job: Job, burst: Burst, image: np.ndarray | None, several: bool) -> Instants | None:
    """Return the images of instants with the truths beside the stack; None where rows are not
    told apart in time."""
    if image is None or "instants" not in burst.report.numbers("unroll"):
        return None
    instants = Instants(burst, image if several else image[None])
    try:
        return replace(instants, truths=dict(_truths(job.path, instants)))
    except StackError as error:
        # The truth is only looked at; the image does not need it.
        LOG.warning("%s", error)
        return instants


def _truths(folder: Path, instants: Instants) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and truth of every image whose truth lies beside the stack."""
    size = frame_image(instants.burst, 0).shape
    for told in truths_beside(folder):
        number = instants.image_of(told.frame, told.share)
        if number is not None:
            truth = read_images_alike([told.path])[0]
            if truth.shape == instants.images[number].shape == size:
                yield number, from_dn(truth, instants.burst.stack.sensor)


def _again(job: Job) -> str:
    """Return a comment with the command that gives the same bytes again."""
    options = [f"--seed {job.seed}", f"--threads {job.threads}", f"--device {job.device}"]
    levels = {"black": job.reading.black_level, "white": job.reading.white_level}
    options += [f"--{name}-level {value:g}" for name, value in levels.items() if value is not None]
    if job.reading.axis:
        options.append(f"--axis {job.reading.axis}")
    name = job.path.resolve().name
    # A comment in TOML holds no control characters, but a file name may.
    stack = shlex.quote(name) if name.isprintable() else "STACK"
    return f"# burst run --stack {stack} --pipeline {SETTINGS} {' '.join(options)} --out DIR\n"


def _outputs(folder: Path) -> tuple[Path, ...]:
    written = (folder / name for name in OUTPUTS if name not in IMAGES)
    kept = sorted((folder / STAGES).rglob("*.npz"))
    return (*_images(folder), *filter(Path.is_file, written), *kept)


def _images(folder: Path) -> list[Path]:
    """Return the images in a folder: those of one instant, and those of several."""
    named = [folder / name for name in (*IMAGES, FILM)]
    return [*filter(Path.is_file, named), *sorted(folder.glob(INSTANTS))]
