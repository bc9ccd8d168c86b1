"""A training sample of photographs by hand: a simulated burst, merged and denoised, and its truth.

What alignment and merging leave wrong is theirs, so that a network learns from it; the truth lies
on the grid of the burst's own reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional

from burst.data.handheld import FINER, ISOS, MARGIN, simulate_handheld
from burst.data.samples.augment import draw_view
from burst.data.samples.draws import between, between_logs, choose, draw, generator_of, one_of
from burst.data.samples.mix import Share
from burst.data.samples.turbulence import Reduction, Sample, SampleKey, split_scenes
from burst.data.scenes import read_colours
from burst.network.inputs import encode
from burst.network.inputs_handheld import gain_of, level_of, prepare_handheld
from burst.network.preparation import HANDHELD_EVIDENCE, Preparation
from burst.pipeline import load
from burst.records import Burst, given

AROUND = 2.8  # times a level's ISO, or a share of it, that a sample has: levels meet
TINT = (0.7, 1.4)  # powers of the light by which a grey scene is given colours


@dataclass(frozen=True)
class HandheldSampleSettings:
    """How samples of bursts are made.

    size        of the square images, px
    frames      least and most in a burst; log-uniform
    finer       share of images with twice as many pixels along a side as frames
    walkers     share of bursts through which a person walks
    tinted      share of grey scenes that are given colours
    light       range of the linear value of white
    reductions  range of pixels of a file, from side to side, in a pixel of the scene
    """

    kind: Literal["handheld"] = "handheld"
    truth: Literal[True] = True
    size: Annotated[int, Field(ge=64, multiple_of=4)] = 176
    frames: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] = (3, 30)
    finer: Share = 0.15
    walkers: Share = 0.15
    tinted: Share = 0.7
    light: tuple[Share, Share] = (0.4, 1.0)
    reductions: tuple[Reduction, Reduction] = (0.7, 1.4)
    pipeline: str = "handheld"
    seed: int = 0


def make_handheld_sample(
    key: SampleKey, settings: HandheldSampleSettings, scenes: list[list[str]]
) -> Sample:
    """Make the sample of a key from folders of scenes; key, settings and scenes determine it."""
    generator = generator_of(settings.seed, f"{settings.kind} {key.name}")
    scale = 2 if draw(generator) < settings.finer else 1
    scene = _draw_scene(key, settings, scenes, scale, generator)
    simulated = simulate_handheld(
        scene * between(settings.light, generator),
        ISOS[key.noise_level] * between_logs((1 / AROUND, AROUND), generator),
        round(between_logs(settings.frames, generator)),
        choose(2**31, generator),
        draw(generator) < settings.walkers,
    )
    pipeline = load(settings.pipeline, [f"merge.scale={scale:.1f}", "denoise.checkpoint=none"])
    after: dict[str, Burst] = {}
    pipeline.run(Burst(simulated.stack), lambda step, burst: after.update({step.name: burst}))
    merged, burst = given(after["merge"].image), after["denoise"]
    noise, sensor = given(burst.gathered).noise, simulated.stack.sensor
    known = Preparation(HANDHELD_EVIDENCE, (), settings.kind)
    evidence = prepare_handheld(merged, given(burst.image), noise, sensor, known)
    place = given(burst.camera).reference
    number = place if burst.kept is None else int(burst.kept[place])
    truth = simulated.truth(number, float(scale)) * gain_of(sensor, merged)
    wanted = encode(truth, evidence.scale)
    return Sample(key, evidence.planes, evidence.scalars, evidence.base, wanted, level_of(burst))


def _draw_scene(
    key: SampleKey,
    settings: HandheldSampleSettings,
    scenes: list[list[str]],
    scale: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return a view [3, h, w], linear, of a random image, as large as the frames and their margin
    need. Folders are equally likely, however many images they have."""
    folder = split_scenes(one_of(scenes, generator), key.held_out)
    whole = read_colours(one_of(folder, generator))
    if bool((whole[0] == whole[1]).all()) and draw(generator) < settings.tinted:
        powers = torch.tensor([between(TINT, generator) for _ in whole])
        whole = whole ** powers[:, None, None]
    side = FINER * (settings.size // scale + 2 * MARGIN)
    seed = choose(2**31, generator)
    view = draw_view(whole.movedim(0, -1).numpy(), side, seed, settings.reductions)
    scene = torch.from_numpy(view).movedim(-1, 0)
    # Files that are smaller are enlarged.
    return functional.interpolate(scene[None], (side, side), mode="bilinear")[0]
