"""A GPU compared with the CPU: image, same bytes twice, seconds, memory, training."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from burst.data.levels import find_level
from burst.data.samples.collection import keys_of, open_collection
from burst.data.turbulence import SimulatedStack, simulate
from burst.files.read import read_stack
from burst.machine import resolve_device
from burst.measure.gpu_page import gpu_tables, write_gpu_page
from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case
from burst.measure.suite import Options, Suite
from burst.measure.suites.drawn import DrawnRecording
from burst.ops.metrics import psnr
from burst.ops.noise import to_linear
from burst.pipeline import load, run_step
from burst.records import Burst, Stack, given
from burst.training.order import Order, carry_out
from burst.training.recipe import load_recipe
from burst.training.run import STATE
from burst.training.workers import Workers

BORDER = 8  # px that scores leave out
RECORDINGS = {
    "rolling": "rolling, sharp",
    "global_reset": "global reset",
    "dual_reversed": "dual reversed",
}
IMAGE, LEVEL = "camera", "medium"
TILE = 271  # px of the stack that larger ones repeat
SIDES = (1024, 2048)  # px, of larger stacks
PROCESSES = (1, 4, 8, 12)
PIPELINES = (
    "turbulence", "classical", "rolling", "rolling_geometry", "dual_reversed",
    "dual_reversed_geometry", "global_reset", "global_reset_geometry",
)  # fmt: skip
CROPS = 32  # in a step of training
WARM_UP = 20  # steps that do not count


@dataclass(frozen=True)
class Task:
    """One measurement: the part of the suite, and its subject."""

    part: str
    subject: str
    frames: int
    size: int
    seed: int

    @property
    def name(self) -> str:
        """The part and its subject."""
        return f"{self.part}, {self.subject}"


def tasks(pipelines: Sequence[str], sides: Sequence[int], frames: int, seed: int) -> list[Task]:
    """Return all tasks; the most important come first, in case time runs out."""
    size = sides[0]
    return [
        *(Task("image", name, frames, size, seed) for name in pipelines),
        *(Task("stages", f"{side} px", frames, side, seed) for side in sides),
        Task("training", "student", frames, size, seed),
        *(Task("stacks", f"{count} processes", frames, size, seed) for count in PROCESSES),
    ]


@dataclass(frozen=True)
class GpuBench:
    """Measures tasks on a device: `steps` of training, `stacks` restored by each process, `samples`
    made by `makers` processes; `assignments` override the recipe."""

    device: str = "cuda"
    steps: int = 300
    stacks: int = 10
    samples: int = 48
    makers: int = 8
    assignments: tuple[str, ...] = ()

    def measure(self, task: Task) -> Record:
        """Return the figures of one task."""
        measure: dict[str, Callable[[Task], Record]] = {
            "image": self._image,
            "stages": self._stages,
            "training": self._training,
            "stacks": self._stacks,
        }
        gpu = self.device == "cuda"
        name = torch.cuda.get_device_name() if gpu else self.device
        return {"device": name, **measure[task.part](task)}

    def _image(self, task: Task) -> Record:
        """Compare the image of the device with that of the CPU, and with its own second run."""
        stack, truth = _stack_and_truth(task)
        pipeline = load(task.subject)

        def image_on(device: str) -> torch.Tensor:
            return given(pipeline.run(Burst(stack, device)).image).cpu()

        here, there, again = image_on("cpu"), image_on(self.device), image_on(self.device)
        inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        scores = [psnr(image[inside], truth[inside]) for image in (here, there)]
        return {
            "difference": float((there - here).norm() / here.norm()),
            "largest": float((there - here).abs().max()),
            "psnr": scores[0],
            "psnr_difference": scores[1] - scores[0],
            "same_bytes": torch.equal(there, again),
        }

    def _stages(self, task: Task) -> Record:
        """Time every stage of the default pipeline when warm; memory is the tensors' peak."""
        stack = _larger(_simulated(replace(task, size=TILE)).stack, task.size)
        pipeline = load("turbulence")
        pipeline.run(Burst(stack, self.device))
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds, burst = {}, Burst(stack, self.device)
        for step in pipeline.steps:
            started = time.perf_counter()
            burst = run_step(step, burst)
            self._wait()
            seconds[step.name] = time.perf_counter() - started
        peak = torch.cuda.max_memory_allocated() if self.device == "cuda" else 0
        return {"seconds": seconds, "peak": peak, "pixels": stack.frames.size}

    def _stacks(self, task: Task) -> Record:
        """Read and restore stacks in several processes that share the device."""
        count = int(task.subject.split()[0])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stack.npy"
            np.save(path, _simulated(task).stack.frames)
            context = multiprocessing.get_context("spawn")
            with context.Pool(count, torch.set_num_threads, (1,)) as pool:
                work = partial(_read_and_restore, self.device)
                # A first run loads libraries, tables and networks.
                pool.map(work, [path] * count, chunksize=1)
                started = time.perf_counter()
                pool.map(work, [path] * count * self.stacks, chunksize=1)
                seconds = time.perf_counter() - started
        return {"processes": count, "stacks_a_second": count * self.stacks / seconds}

    def _training(self, task: Task) -> Record:
        """Simulate, make samples, train, export, and restore with the network."""
        generator = torch.Generator(self.device).manual_seed(task.seed)
        scene, shape = torch.rand(task.size, task.size), (task.size, task.size)
        conditions = find_level(LEVEL).point()
        for _ in range(2):  # the second time counts
            started = time.perf_counter()
            simulate(scene, conditions, generator, task.frames, shape)
            self._wait()
        simulating = time.perf_counter() - started
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            samples_a_second = self._make_samples(task, folder)
            steps_a_second = 0.0
            # The first run loads libraries.
            for name, steps in (("first", WARM_UP), ("second", self.steps)):
                order = self._order(task, folder, name, steps)
                (network,) = carry_out(order, lambda _: None)
                state = torch.load(order.folder / STATE, map_location="cpu", weights_only=True)
                steps_a_second = steps / float(state["seconds"])
            restored = self._restore_with(_export(network, folder), task)
        return {
            "simulating": simulating,
            "samples_a_second": samples_a_second,
            "steps_a_second": steps_a_second,
            "crops": CROPS,
            "restored": restored,
        }

    def _make_samples(self, task: Task, folder: Path) -> float:
        """Make all samples and return how many were made a second, after the start-up."""
        order = self._order(task, folder, "samples", WARM_UP)
        keys = keys_of(order.levels, order.recipe.training.samples, order.recipe.training.held_out)
        workers = Workers(order.collection, keys)
        try:
            workers.start(self.makers)
            workers.wait(keys, lambda _: None)
        finally:
            workers.stop()
        done = sorted(order.collection.path(key).stat().st_mtime for key in keys)
        first = len(done) // 4
        return (len(done) - 1 - first) / (done[-1] - done[first])

    def _order(self, task: Task, folder: Path, name: str, steps: int) -> Order:
        assignments = (
            f"training.batch={CROPS}",
            f"training.samples={self.samples}",
            "training.held_out=2",
            *self.assignments,
            f"training.steps={steps}",
            f"training.check_every={steps}",
        )
        recipe = load_recipe(task.subject, assignments)
        collection = open_collection(folder / "samples", recipe.samples, [], self.device)
        return Order(recipe, (LEVEL,), collection, (), folder / name, device=self.device, workers=0)

    def _restore_with(self, network: Path, task: Task) -> float:
        """Return the PSNR of a stack that an exported network restores on the device."""
        stack, truth = _stack_and_truth(replace(task, subject="turbulence"))
        pipeline = load("turbulence", [f"fuse.checkpoint={network}"])
        image = given(pipeline.run(Burst(stack, self.device)).image)
        return psnr(image.cpu(), truth)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def _export(network: Path, folder: Path) -> Path:
    """Export a trained network by the command line and return its file."""
    verb = ["export", str(network.parent), "--name", "exported", "--out", str(folder), "--half"]
    run = [sys.executable, "-m", "burst", *verb, "--licences", "none", "--by-name"]
    subprocess.run(run, check=True, capture_output=True)
    return folder / "exported.safetensors"


def _stack_and_truth(task: Task) -> tuple[Stack, torch.Tensor]:
    """Return a stack for a pipeline and the true image [h, w]."""
    kind = task.subject.removesuffix("_geometry")
    if kind not in RECORDINGS:
        simulated = _simulated(task)
        return simulated.stack, simulated.truth.scene
    recorded = DrawnRecording(RECORDINGS[kind], IMAGE, "low", task.seed).read()
    return recorded.luminance(), to_linear(recorded.truths[0], recorded.sensor)


def _simulated(task: Task) -> SimulatedStack:
    return simulate_case(Case(IMAGE, LEVEL, task.seed, task.frames, task.size))[0]


def _larger(stack: Stack, size: int) -> Stack:
    """Return a stack whose frames are those of another one, repeated by reflection up to a size."""
    more = max(0, size - stack.height)
    frames = np.pad(stack.frames, ((0, 0), (0, more), (0, more)), mode="symmetric")
    return replace(stack, frames=np.ascontiguousarray(frames[:, :size, :size]))


def _read_and_restore(device: str, path: Path) -> float:
    """Read a stack, restore it, and return the mean of its image."""
    burst = load("turbulence").run(Burst(read_stack(path), device))
    return float(given(burst.image).mean())


def _cases(options: Options) -> list[Task]:
    resolve_device("cuda")
    return tasks(PIPELINES, (options.size, *SIDES), options.frames, options.seed)


SUITE = Suite(
    title="gpu",
    cases=_cases,
    measure=lambda _: GpuBench().measure,
    table=gpu_tables,
    settings=lambda _: "\n".join(load(name).to_toml() for name in PIPELINES),
    page=write_gpu_page,
)
