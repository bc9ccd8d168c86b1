"""A training sample of a shutter: a simulated recording of a moving scene, restored by geometry.

A still image moves along the paths of a camera and of an object, each row is exposed at its own
time, and `unroll` restores the frames like any recording. The truth is the scene at that instant.
It is not registered to the result, so that displaced rows are errors like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from burst.data.levels import find_level
from burst.data.rolling import draw_layers, simulate_shutter
from burst.data.samples.augment import draw_view
from burst.data.samples.depth import with_depth
from burst.data.samples.draws import between, between_logs, choose, draw, generator_of, one_of
from burst.data.samples.mix import JPEG, VIDEO, Share
from burst.data.samples.recorded import draw_recorded
from burst.data.samples.turbulence import Sample, SampleKey, split_scenes, stages_before_network
from burst.data.scenes import read_scene
from burst.data.video_codec import as_jpeg, as_video
from burst.files.sequence import Sequence, luminance_of
from burst.network.inputs_rolling import encode_shutter, level_of, prepare_shutter
from burst.network.preparation import Preparation, evidence_of, scalars_of
from burst.ops.color import linear_to_display
from burst.ops.noise import to_linear
from burst.records import Burst, Sensor, Shutter, given

FRAME_TIME = 1 / 30  # s; other times are in units of it
WHITE, VIDEO_WHITE = 4095, 255  # DN
LEAST_WIDTH, GRAIN = 5, 16  # frame times of the camera's motion that a sample is wide; px
SEEN = 0.1  # trust of a frame in a point that it shows
MAPS = ("planes", "base", "truth", "velocity", "frames", "times")  # fields of samples [..., h, w]

AnySample = TypeVar("AnySample", bound=Any)  # of a truth or of a pair
Ratio = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class ShutterSampleSettings:
    """How samples of a shutter are made; ranges are drawn uniformly, speeds log-uniformly.

    size           px of a side; larger where the camera is fast (`LEAST_WIDTH`)
    frames         of a recording; twice as many for dual reversed pairs
    readout_ratio  readout in frame times
    exposure       of a row, in frame times; known to the network in a share `told` of the samples
    sharp          share of the samples with an exposure of zero
    speed          px a frame time, of the camera; an object moves about as fast by itself
    light          linear value of the scene's white
    video          share of the samples that are stored in 8 bit, encoded for a display
    compressed     share of those in 8 bit that are compressed, by JPEG or like a video
    depth          share of the samples with objects at other depths, thin ones among them
    clean          share of the samples without noise
    truth          whether samples have one; optional for dual reversed pairs alone
    recorded       whether samples are windows (`size`) of recordings instead of moving stills
    """

    kind: Literal["rolling", "dual_reversed", "global_reset"]
    size: Annotated[int, Field(ge=64)] = 192
    frames: tuple[PositiveInt, PositiveInt] = (2, 5)
    readout_ratio: tuple[Ratio, Ratio] = (0.2, 1.0)
    exposure: tuple[Share, Share] = (0.0, 0.5)
    sharp: Share = 0.0
    told: Share = 0.7
    speed: tuple[PositiveFloat, PositiveFloat] = (1.0, 30.0)
    light: tuple[Share, Share] = (0.5, 1.0)
    video: Share = 0.5
    compressed: Share = 0.0
    depth: Share = 0.0
    clean: Share = 0.3
    truth: bool = True
    recorded: bool = False
    pipeline: str = "rolling"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.truth and self.kind != "dual_reversed":
            raise ValueError(
                f"truth: expected true for {self.kind}; dual reversed pairs alone do without."
            )


def make_shutter_sample(
    key: SampleKey, settings: ShutterSampleSettings, scenes: list[list[str]]
) -> Sample:
    """Make the sample of a key from folders of scenes; key, settings and scenes determine it."""
    generator = generator_of(settings.seed, f"{settings.kind} {key.name}")
    if settings.recorded:
        sequence, wanted = draw_recorded(key, True, scenes, generator), 0
    else:
        sequence = record(key, settings, scenes, generator)
        wanted = choose(len(sequence.truths), generator)
    frame, share = int(sequence.truth_frame[wanted]), float(sequence.truth_share[wanted])
    if draw(generator) > settings.told:
        sequence = replace(sequence, sensor=replace(sequence.sensor, exposure_time=0.0))
    stated = [f"unroll.frame={frame}", f"unroll.instants=[{share}]"]
    stages = stages_before_network(settings.pipeline, stated)
    burst, truth = stages.run(Burst(sequence.luminance())), luminance_of(sequence.truths)[wanted]
    sample = sample_of_instant(key, settings.kind, burst, truth)
    if sequence.masks is not None:
        known = torch.from_numpy(sequence.masks[wanted])
        sample = replace(sample, truth=torch.where(known, sample.truth, sample.base))
    return window_of(sample, settings.size, generator) if settings.recorded else sample


def window_of(sample: AnySample, size: int, generator: torch.Generator) -> AnySample:
    """Return a window of a sample, at most `size` px high and wide; rows keep their times."""
    height, width = sample.base.shape[-2:]
    side = min(size, height), min(size, width)
    top, left = (choose(n - s + 1, generator) for n, s in zip((height, width), side, strict=True))
    inside = (..., slice(top, top + side[0]), slice(left, left + side[1]))
    cut = {name: getattr(sample, name)[inside] for name in MAPS if hasattr(sample, name)}
    return replace(sample, **cut)


def sample_of_instant(
    key: SampleKey, kind: Literal["rolling", "dual_reversed", "global_reset"], burst: Burst,
    truth: np.ndarray,
) -> Sample:  # fmt: skip
    """Return the sample of a burst before the network, with the truth [h, w] in DN."""
    sensor = burst.stack.sensor
    evidence = next(prepare_shutter(burst, Preparation(evidence_of(kind), scalars_of(kind), kind)))
    light = to_linear(truth, sensor)
    wanted = encode_shutter(light, evidence, sensor)
    # Where no frame shows the scene the image stays as it is: there is nothing to learn.
    wanted = torch.where(given(burst.views).trust[0].amax(0) > SEEN, wanted, evidence.base)
    return Sample(key, evidence.planes, evidence.scalars, evidence.base, wanted, level_of(burst))


def record(
    key: SampleKey,
    settings: ShutterSampleSettings,
    scenes: list[list[str]],
    generator: torch.Generator,
) -> Sequence:
    """Return a simulated recording of a moving still, with its truths."""
    conditions = find_level(key.noise_level).draw(generator)
    speed = math.exp(between((math.log(settings.speed[0]), math.log(settings.speed[1])), generator))
    fewest, most = settings.frames
    count = (fewest + choose(most - fewest + 1, generator)) * (
        2 if settings.kind == "dual_reversed" else 1
    )
    # Room for the motion, as far as the still image allows.
    size = max(settings.size, GRAIN * math.ceil(LEAST_WIDTH * speed / GRAIN))
    side = size + 2 * math.ceil(2 * speed * settings.frames[1])
    # Folders are equally likely, however many images they have.
    folder = split_scenes(one_of(scenes, generator), key.held_out)
    whole = read_scene(one_of(folder, generator)).numpy()
    still = torch.from_numpy(draw_view(whole, side, choose(2**31, generator)))
    exposure = between(settings.exposure, generator)
    if draw(generator) < settings.sharp:
        exposure = 0.0
    sensor = Sensor(
        white_level=WHITE,
        noise=None if draw(generator) < settings.clean else conditions.noise,
        shutter=Shutter(settings.kind),
        exposure_time=exposure * FRAME_TIME,
        row_time=between(settings.readout_ratio, generator) * FRAME_TIME / size,
        frame_time=FRAME_TIME,
    )
    layers = draw_layers(
        still, (size, size), speed / FRAME_TIME, conditions.vibration, choose(2**31 + 1, generator)
    )
    light = between(settings.light, generator)
    # Drawn only where asked for: the samples of other recipes stay what they are.
    if settings.depth and draw(generator) < settings.depth:
        layers = with_depth(layers, still, generator)
    sequence = simulate_shutter(layers, sensor, count, generator, light)
    sequence = display_encoded(sequence) if draw(generator) < settings.video else sequence
    packed = sequence.sensor.transfer == "srgb" and settings.compressed
    return _compressed(sequence, settings.compressed, generator) if packed else sequence


def _compressed(sequence: Sequence, share: float, generator: torch.Generator) -> Sequence:
    """Return a sequence in 8 bit whose frames, in a share of the draws, were compressed."""
    if draw(generator) >= share:
        return sequence
    if draw(generator) < 0.5:
        frames = as_jpeg(sequence.frames, round(between(JPEG, generator)))
    else:
        shown = as_video(torch.from_numpy(sequence.frames).float(), between_logs(VIDEO, generator))
        frames = shown.numpy().astype(np.uint8)
    return replace(sequence, frames=frames)


def display_encoded(sequence: Sequence) -> Sequence:
    """Return a linear sequence as a video camera stores it: sRGB in 8 bit."""
    sensor = sequence.sensor

    def encoded(dn: np.ndarray) -> np.ndarray:
        display = linear_to_display(to_linear(dn, sensor))
        return (display * VIDEO_WHITE).round().numpy().astype(np.uint8)

    stated = replace(sensor, black_level=0.0, white_level=VIDEO_WHITE, noise=None, transfer="srgb")
    return replace(
        sequence, frames=encoded(sequence.frames), truths=encoded(sequence.truths), sensor=stated
    )
