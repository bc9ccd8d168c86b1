"""Everything that `import burst` offers: read, restore, simulate, score, train."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from burst.config import ConfigError, did_you_mean, list_pipelines
from burst.files.npy import axis_of
from burst.files.read import ReadOptions, read_stack, stack_of
from burst.files.write import WriteError
from burst.machine import DEVICES, as_before, available_memory, cpu_count, devices_of
from burst.network.checkpoint import CheckpointError, Loaded
from burst.pipeline import Pipeline, Stage, Step, load
from burst.progress import stage_bar
from burst.records import (
    Burst,
    Entry,
    Level,
    NoiseModel,
    Provenance,
    Report,
    Sensor,
    Shutter,
    Stack,
    StackError,
)
from burst.restoration import Terms, check_room, describe, restore_stack
from burst.result import Result

if TYPE_CHECKING:
    import torch

    from burst.data.turbulence import Simulated, Truth
    from burst.measure.scores import Scores

    Image = np.ndarray | torch.Tensor

__all__ = [
    "Burst", "CheckpointError", "ConfigError", "Entry", "Level", "Loaded", "NoiseModel", "Pipeline",
    "Provenance", "Report", "Result", "Sensor", "Shutter", "Stack", "StackError", "Stage", "Step",
    "WriteError", "load_network", "load_pipeline", "pipelines", "plain_mean", "read", "restore",
    "score", "simulate", "train",
]  # fmt: skip

LOG = logging.getLogger("burst")

RECORDED = "recorded"  # in place of a noise level, which nobody knows

# Options of the command line in the messages that both share, and what they are called here.
_OPTION = re.compile(
    r"--(black-level|white-level|axis|device|pipeline|parent|workers|image|level|size|frames)\b"
    r"(?: (frames-first|frames-last|cpu|classical|\w+_geometry|\d+(?:\.\d+)?)\b)?"
)


def read(
    source: str | Path | np.ndarray,
    *,
    sensor: Sensor | None = None,
    black_level: float | None = None,
    white_level: float | None = None,
    axis: Literal["frames-first", "frames-last"] | None = None,
    colour: bool = True,
) -> Stack:
    """Read a file or a folder of frames, or take an array, as a Stack.

    source       a path, or numbers (n, h, w) or (h, w, n) of any type
    sensor       what made the numbers of an array; a file has its own, or a sidecar
    black_level  at no light, and `white_level` at saturation, in the unit of the numbers; both
                 have the last word over file, sidecar and `sensor`
    axis         "frames-first" or "frames-last", where neither shape nor values tell
    colour       also read the colours of images and videos

    Fractions, negative numbers and those beyond 16 bits are scaled into 16 bits, the levels with
    them. StackError says what is wrong.

    >>> import burst, numpy as np
    >>> frames = np.random.default_rng(0).uniform(0, 1, (64, 64, 20))
    >>> stack = burst.read(frames, black_level=0.0)
    >>> stack.frames.shape, stack.frames.dtype, stack.sensor.white_level
    ((20, 64, 64), dtype('uint16'), 65535.0)
    """
    with _in_words_of_python():
        options = ReadOptions(black_level, white_level, axis, colour)
        if isinstance(source, np.ndarray):
            return stack_of(source, sensor, options)
        if sensor is not None:
            raise StackError(
                "sensor: expected it with an array, found it with a file. Change the Stack that is"
                " read: dataclasses.replace(stack, sensor=...)."
            )
        return read_stack(_path(source), options)


def restore(
    stack: Stack | str | Path | np.ndarray,
    pipeline: str | Path | Pipeline = "turbulence",
    *,
    sensor: Sensor | None = None,
    until: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
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
    with _in_words_of_python():
        wanted = load_pipeline(pipeline, **settings)
        wanted = wanted.until(until) if until else wanted
        stack = _as_stack(stack, sensor, wanted)
        _check_device(device)
        first, spare = devices_of(device)
        terms = Terms(first, spare, threads or _threads(), seed, available_memory())
        check_room(stack, wanted, terms)
        planes = 1 if stack.sensor.cfa == "mono" else 4
        with as_before(), stage_bar(planes * len(wanted.steps), progress) as watch:
            return restore_stack(stack, wanted, terms, describe(wanted, stack, terms), watch)


def load_pipeline(pipeline: str | Path | Pipeline = "turbulence", **settings: Any) -> Pipeline:
    """Load a pipeline by name or path, with settings of its stages.

    `Pipeline.to_toml()` is the text of all settings, and `Pipeline.with_stage` adds a stage of
    one's own.

    >>> import burst
    >>> pipeline = burst.load_pipeline("classical", blur={"size": 21})
    >>> [step.name for step in pipeline.steps][:3]
    ['screen', 'noise', 'select']
    >>> burst.load_pipeline("classical", blurr={"size": 21})
    Traceback (most recent call last):
    burst.config.ConfigError: ... Did you mean 'blur'?
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


def simulate(
    image: str = "camera",
    *,
    level: str = "medium",
    frames: int = 100,
    size: int = 271,
    seed: int = 0,
    device: str = "cpu",
) -> Simulated:
    """Simulate what a camera records of a still scene through turbulent air, and keep the truth.

    image   a file, or the name of an image that scikit-image carries
    level   low, medium, high or very-high
    size    rows and columns, px

    `stack` of what is returned is restored like any other; `truth` holds the scene, the flow and
    more as torch tensors. The same as `burst simulate` makes.

    >>> import burst
    >>> simulated = burst.simulate("camera", level="low", frames=4, size=48)
    >>> simulated.stack.frames.shape, tuple(simulated.truth.scene.shape)
    ((4, 48, 48), (48, 48))
    """
    with _in_words_of_python():
        import torch

        from burst.data.levels import find_level
        from burst.data.scenes import read_scene
        from burst.data.turbulence import simulate as draw
        from burst.machine import drawing_device, resolve_device

        conditions = find_level(level).point()
        if frames < 2 or size < 16:
            raise ConfigError(
                f"frames {frames}, size {size}: expected at least 2 frames of 16 pixels."
            )
        _check_device(device)
        generator = torch.Generator(drawing_device(resolve_device(device))).manual_seed(seed)
        return draw(read_scene(image), conditions, generator, frames, (size, size))


def plain_mean(stack: Stack) -> np.ndarray:
    """Return the mean (h, w) of all frames, linear and upright: what averaging alone gives.

    >>> import burst
    >>> burst.plain_mean(burst.simulate(frames=4, size=48).stack).shape
    (48, 48)
    """
    from burst.measure.peers.baselines import plain_mean as mean
    from burst.ops.orientation import upright

    return upright(mean(stack).cpu().numpy(), stack.sensor.orientation)


def score(image: Result | Image, truth: Simulated | Truth | Image) -> Scores:
    """Compare an image (h, w) with the truth of its stack, both linear.

    One shift, one gain and one offset are fitted first, for every image alike. What is returned
    holds `psnr` and `psnr_without_warp` in dB, `ssim`, and `mtf50` in cycles per pixel.

    >>> import burst
    >>> simulated = burst.simulate("camera", level="low", frames=8, size=64)
    >>> result = burst.restore(simulated.stack, "classical", progress=False)
    >>> mean = burst.plain_mean(simulated.stack)
    >>> burst.score(result, simulated).psnr > burst.score(mean, simulated).psnr
    True
    """
    from burst.data.turbulence import Simulated
    from burst.measure.scores import score as scores

    with _in_words_of_python():
        pixels = image.image if isinstance(image, Result) else image
        scene = truth.truth if isinstance(truth, Simulated) else truth
        return scores(_grey(pixels, "image"), _grey(getattr(scene, "scene", scene), "truth"))


def train(
    out: str | Path,
    recipe: str = "student",
    *,
    levels: str | Sequence[str] = "all",
    images: Sequence[str | Path] = (),
    pairs: Sequence[str | Path] = (),
    parent: str | Path | None = None,
    samples_in: str | Path = "runs/samples",
    resume: bool = False,
    workers: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    **settings: Any,
) -> list[Path]:
    """Train a network on simulated stacks, or on recorded pairs; return the files of networks.

    out         the folder of the run
    recipe      a name of docs/training.md, or the path of a TOML file
    levels      "all", or some of low, medium, high, very-high
    images      folders of images to simulate from; those of scikit-image if there is none
    pairs       folders of recorded dual reversed pairs, in place of images
    parent      a run or a checkpoint to go on from
    samples_in  the folder where samples are kept, and found again by other runs
    resume      go on with the run in `out` where it was cut
    workers     processes that make samples meanwhile: all processors but one if None; with 0 all
                samples are made first, by this process, as scripts without a main guard need it
    settings    of the recipe by their tables: training={"steps": 500}

    ConfigError, SamplesError or TrainingError say what is wrong. What `burst train` does.

    >>> import burst
    >>> burst.train("runs/mine", "studnet")
    Traceback (most recent call last):
    burst.config.ConfigError: ... Did you mean 'student'?
    """
    from burst.data.samples.collection import keys_of, open_collection
    from burst.machine import drawing_device, resolve_device, set_up
    from burst.training.order import Order, carry_out
    from burst.training.recipe import choose_levels, load_recipe, with_pairs

    with _in_words_of_python(), as_before():
        wanted = load_recipe(str(recipe), (), settings)
        chosen = choose_levels([levels] if isinstance(levels, str) else levels)
        if pairs:
            wanted, chosen = with_pairs(wanted), (RECORDED,)
        set_up(threads or _threads())
        folders, there = [str(folder) for folder in pairs or images], resolve_device(device)
        order = Order(
            recipe=wanted,
            levels=chosen,
            collection=open_collection(
                Path(samples_in), wanted.samples, folders, drawing_device(there)
            ),
            images=tuple(folders),
            folder=Path(out),
            parent=None if parent is None else str(parent),
            resume=resume,
            device=there,
            workers=max(1, cpu_count() - 1) if workers is None else workers,
        )
        if workers == 0:
            keys = keys_of(chosen, wanted.training.samples, wanted.training.held_out)
            for _ in order.collection.fill(keys):
                LOG.info("a sample is made")
        return carry_out(order, LOG.info)


def load_network(name: str | Path, device: str = "cpu") -> Loaded:
    """Load a trained network by name or path: `model`, `card` and the digest of its file.

    The card says on what it was trained, and for which stacks.

    >>> import burst
    >>> network = burst.load_network("turbulence-medium")
    >>> network.card.preparation.kind
    'turbulence'
    """
    from burst.machine import resolve_device
    from burst.network import checkpoint

    with _in_words_of_python():
        _check_device(device)
        return checkpoint.load(checkpoint.find(str(name)), resolve_device(device))


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
    # A file was read in the order that was found or told; an array may be in any.
    if not source.source and axis_of(source.frames) == "frames-last":
        raise StackError(
            f"{source.name}: expected frames (n, h, w), found {source.frames.shape}, which looks"
            " like (h, w, n). Pass the array to burst.read, which finds the order, or turn it by"
            " numpy.moveaxis(array, -1, 0)."
        )
    return source if pipeline.colour else replace(source, colour=None)


def _check_device(device: str) -> None:
    if device not in DEVICES:
        raise ConfigError(
            f"device: expected one of {', '.join(DEVICES)}, found '{device}'."
            f"{did_you_mean(device, DEVICES)}"
        )


def _path(source: Any) -> Path:
    if isinstance(source, (str, Path)):
        return Path(source)
    raise StackError(
        f"stack: expected a Stack, a path or a NumPy array, found a {type(source).__name__}."
    )


def _grey(image: Any, what: str) -> torch.Tensor:
    """Return an image [h, w] as a tensor; StackError if it is none."""
    import torch

    pixels = torch.as_tensor(np.nan if image is None else image)
    if pixels.ndim != 2:
        raise StackError(
            f"{what}: expected a grey image (h, w), found shape {tuple(pixels.shape)}. Of colours"
            " or several instants, pass one at a time."
        )
    return pixels.cpu()


def _threads() -> int:
    import torch

    return torch.get_num_threads()


@contextmanager
def _in_words_of_python() -> Iterator[None]:
    """Have errors name arguments, as `white_level=`, where they name options of the command."""
    try:
        yield
    except (ConfigError, StackError, CheckpointError) as error:
        raise type(error)(_OPTION.sub(_as_argument, str(error))) from None


def _as_argument(option: re.Match[str]) -> str:
    name = option[1].replace("-", "_")
    value = option[2] or ""
    return f'{name}="{value}"' if value.isidentifier() or "-" in value else f"{name}={value}"
