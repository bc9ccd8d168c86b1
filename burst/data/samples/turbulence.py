"""A training sample: a simulated stack, processed by the stages before the network.

The network is to learn from the real errors of alignment, blur and noise estimation, so these are
not simulated by formulas. The truth is registered to the result: the mean displacement over the
frames cannot be known, and a network trained to remove it would learn to blur.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import safetensors
import torch
from pydantic import Field
from safetensors.torch import save_file

from burst.data.charts import draw_rectangles
from burst.data.exposures import PSF_SIZE
from burst.data.levels import find_level
from burst.data.samples.augment import draw_view
from burst.data.samples.draws import between, between_logs, choose, draw, generator_of, one_of
from burst.data.samples.mix import Mix, Share, draw_world, record_world
from burst.data.scenes import read_scene
from burst.data.targets import draw_target
from burst.files.write import atomic_write
from burst.network.inputs import encode, prepare
from burst.network.preparation import Preparation
from burst.ops.alignment.registration import remove_warp
from burst.ops.alignment.shifts import small_shift
from burst.ops.color import linear_to_display
from burst.pipeline import Pipeline, load
from burst.records import Burst, Level, StackError, given

NETWORKS = ("fuse", "correct", "denoise")  # stages that run a network; samples are made before them
# Chosen by hand.
LEAST_CONTRAST = 0.02  # standard deviation, linear; a view of plain sky is useless for training
MAX_VIEWS = 8
MAX_STACKS = 8  # until one is found whose frames are not displaced too far to overlap
HOLD_OUT_EVERY = 10  # one scene in so many is never trained on
LARGEST_SHIFT = 8.0  # px of the truth against the result

S = TypeVar("S")
Reduction = Annotated[float, Field(ge=0.25, le=4)]


@dataclass(frozen=True)
class StackSampleSettings:
    """How samples of stacks are made.

    size        of the square frames, px
    frames      least and most in a stack; log-uniform
    targets     share of coded targets
    rectangles  share of charts of rectangles
    plain       share of scenes of one grey
    exposure    range of the linear value of white
    reductions  range of pixels of an image, from side to side, in a pixel of the scene
    mix         shares of other air, cameras and files
    """

    kind: Literal["turbulence"] = "turbulence"
    truth: Literal[True] = True
    size: Annotated[int, Field(ge=64)] = 224
    frames: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] = (20, 100)
    targets: Share = 0.1
    rectangles: Share = 0.0
    plain: Share = 0.0
    exposure: tuple[Share, Share] = (0.5, 1.0)
    reductions: tuple[Reduction, Reduction] = (0.6, 2.0)
    pipeline: str = "turbulence"
    mix: Mix = field(default_factory=Mix)
    seed: int = 0

    def __post_init__(self) -> None:
        together = self.targets + self.rectangles + self.plain
        if together > 1:
            raise ValueError(
                "targets, rectangles, plain: expected shares of at most 1 together, found"
                f" {together:g}."
            )


@dataclass(frozen=True)
class SampleKey:
    """Identifies a sample: noise level, index, and whether it is held out of training."""

    noise_level: str
    index: int
    held_out: bool = False

    @property
    def name(self) -> str:
        """The name of its file, without the suffix."""
        return f"{self.noise_level}-{'held-out' if self.held_out else 'train'}-{self.index:05d}"


@dataclass(frozen=True)
class Sample:
    """The input and target of a network; images are encoded.

    planes   [c, h, w] in the order of `EVIDENCE`
    scalars  [s] in the order of `SCALARS`
    base     [h, w], of three colours [3, h, w], the classical result
    truth    of the same shape, registered to the base
    level    the measured noise level
    """

    key: SampleKey
    planes: torch.Tensor
    scalars: torch.Tensor
    base: torch.Tensor
    truth: torch.Tensor
    level: Level


def stages_before_network(name: str, assignments: Sequence[str] = ()) -> Pipeline:
    """Return the steps of a pipeline before the network, or all without one."""
    pipeline = load(name, assignments)
    named = [step.name for step in pipeline.steps if step.name in NETWORKS]
    return pipeline.before(named[0]) if named else pipeline


def make_sample(
    key: SampleKey, settings: StackSampleSettings, scenes: list[list[str]], device: str = "cpu"
) -> Sample:
    """Make the sample of a key from folders of scenes; key, settings, scenes and device determine
    it. Scene, conditions and frames are drawn alike on every device; air and noise are drawn on the
    device itself."""
    generator = generator_of(settings.seed, key.name)
    scenes = [split_scenes(folder, key.held_out) for folder in scenes]
    for _ in range(MAX_STACKS):
        burst, truth = _draw_stack(key, settings, scenes, generator, device)
        if given(burst.image).shape == truth.shape:
            return sample_of(key, burst, truth)
    raise StackError(
        f"samples, {key.name}: expected stacks whose frames overlap, found {MAX_STACKS} that do"
        " not. Ask for weaker air in [samples.mix]."
    )


def sample_of(key: SampleKey, burst: Burst, scene: torch.Tensor) -> Sample:
    """Return the sample of a burst that is ready for the network and its scene [h, w], linear or
    encoded as the stack is."""
    evidence = prepare(burst, Preparation())
    truth = encode(scene, evidence.scale)
    shift = small_shift(truth, evidence.base, LARGEST_SHIFT)
    straight = remove_warp(truth, evidence.base, shift)
    return Sample(
        key, evidence.planes, evidence.scalars, evidence.base, straight, given(burst.level)
    )


def save_sample(path: Path, sample: Any) -> None:
    """Write a sample of any kind; the file appears when it is complete."""
    values = {f.name: getattr(sample, f.name) for f in fields(sample)}
    tensors = {n: v.contiguous() for n, v in values.items() if isinstance(v, torch.Tensor)}
    note = {"key": asdict(sample.key), "level": asdict(sample.level)}
    with atomic_write(path) as part:
        save_file(tensors, part, metadata={"sample": json.dumps(note)})


def load_sample(path: Path, kind: Callable[..., S], device: str = "cpu") -> S:
    """Read a sample of a kind; on the CPU it is memory-mapped."""
    with safetensors.safe_open(path, framework="pt", device=device) as file:
        note = json.loads(file.metadata()["sample"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return kind(key=SampleKey(**note["key"]), level=Level(**note["level"]), **tensors)


def _draw_stack(
    key: SampleKey,
    settings: StackSampleSettings,
    scenes: list[list[str]],
    generator: torch.Generator,
    device: str,
) -> tuple[Burst, torch.Tensor]:
    """Return what the stages before the network make of a random stack, and its true scene [h, w],
    encoded as the stack is."""
    scene = _draw_scene(settings, scenes, generator) * between(settings.exposure, generator)
    conditions = find_level(key.noise_level).draw(generator)
    fewest, most = settings.frames
    # Log-uniform: few frames are as common as many.
    frames = round(between_logs((fewest, most), generator))
    world = draw_world(settings.mix, conditions, generator)
    air = _generator_on(device, generator)
    simulated = record_world(world, scene, frames, settings.size, air)
    told = [f"blur.d_over_r0={world.blur}"] if world.blur else []
    burst = stages_before_network(settings.pipeline, told).run(Burst(simulated.stack, device))
    truth = simulated.truth.scene
    # Stacks that are encoded for a display are restored as they are.
    is_display = simulated.stack.sensor.transfer == "srgb"
    return burst, linear_to_display(truth) if is_display else truth


def _draw_scene(
    settings: StackSampleSettings, scenes: list[list[str]], generator: torch.Generator
) -> torch.Tensor:
    """Return a view [h, w], linear, of a random chart, coded target, grey or image. Folders are
    equally likely, however many images they have."""
    side = settings.size + 2 * (PSF_SIZE // 2)
    kind = draw(generator)
    if 1 - kind < settings.rectangles:
        return draw_rectangles(side, generator)
    if settings.targets <= kind < settings.targets + settings.plain:
        return torch.full((side, side), draw(generator))
    if kind < settings.targets:
        # Twice as large, so that the view is a part of it.
        whole = draw_target(2 * side, generator).image
    else:
        whole = read_scene(one_of(one_of(scenes, generator), generator))
    for _ in range(MAX_VIEWS):
        seed = choose(2**31, generator)
        view = torch.from_numpy(draw_view(whole.numpy(), side, seed, settings.reductions))
        if float(view.std()) > LEAST_CONTRAST:
            break
    return view


def split_scenes(folder: list[str], held_out: bool) -> list[str]:
    """Return the scenes of a folder for training, or the held-out ones; all if there are few."""
    chosen = [s for i, s in enumerate(folder, start=1) if (i % HOLD_OUT_EVERY == 0) == held_out]
    return chosen or folder


def _generator_on(device: str, generator: torch.Generator) -> torch.Generator:
    """Return the generator itself for the CPU, else one on the device, seeded from it."""
    if device == "cpu":
        return generator
    return torch.Generator(device).manual_seed(choose(2**31, generator))
