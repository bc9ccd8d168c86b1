"""A training sample of a dual reversed pair without known truth, simulated or recorded.

The network learns from the pair itself: its images at the start, at a row's time and at the end of
the readout, read row by row, must reproduce what both cameras have read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from burst.data.samples.draws import between, choose, generator_of, one_of
from burst.data.samples.rolling import ShutterSampleSettings, record
from burst.data.samples.turbulence import SampleKey, split_scenes, stages_before_network
from burst.files.layouts.find import list_sequences
from burst.files.sequence import Sequence as Recorded
from burst.network.inputs_rolling import encode_shutter, level_of, prepare_shutter
from burst.network.preparation import Kind, Preparation, evidence_of, scalars_of
from burst.ops.noise import fit_noise, lowest_linear, noise_curve, to_dn, to_linear
from burst.ops.rolling.planes import planes_of
from burst.ops.shutter import readout_share
from burst.records import Burst, Level, Shutter, Stack, StackError, given

ROWS = (0.3, 0.7)  # of the readout, between which the row in the middle is drawn
KIND: Kind = "dual_reversed"


@dataclass(frozen=True)
class PairSample:
    """The network's input for three instants of a pair, and the pair; images are encoded.

    planes    [3, c, h, w] of the instants
    base      [3, h, w] of the instants
    velocity  [3, 2, h, w] px a readout, of the instants
    scalars   [s]
    frames    [2, h, w] as read
    times     [2, h, w] share of the readout at which each row was read
    offset    [2, 2] px of each frame
    instants  [3] as shares of the readout
    """

    key: SampleKey
    planes: torch.Tensor
    scalars: torch.Tensor
    base: torch.Tensor
    velocity: torch.Tensor
    frames: torch.Tensor
    times: torch.Tensor
    offset: torch.Tensor
    instants: torch.Tensor
    level: Level


def make_pair_sample(
    key: SampleKey, settings: ShutterSampleSettings, scenes: list[list[str]]
) -> PairSample:
    """Make the sample of a key, from recorded pairs or from folders of scenes."""
    generator = generator_of(settings.seed, f"pairs {key.name}")
    if settings.recorded:
        sequence = _draw_recorded(key, scenes[0], generator)
    else:
        sequence = record(key, replace(settings, frames=(1, 1)), scenes, generator)
    middle = between(ROWS, generator)
    stack = sequence.luminance()
    noisier = with_more_noise(stack, generator)
    sample = sample_of_pair(key, settings.pipeline, stack, noisier, middle)
    return _window(sample, settings.size, generator)


def with_more_noise(stack: Stack, generator: torch.Generator) -> Stack:
    """Return a stack with about as much noise again, as its own frames measure it."""
    linear = to_linear(stack.frames, stack.sensor)
    noise = fit_noise(*noise_curve(linear), lowest_linear(stack.sensor))
    std = noise.variance(linear).sqrt()
    noisier = linear + std * torch.randn(linear.shape, generator=generator)
    return replace(stack, frames=to_dn(noisier, stack.sensor))


def sample_of_pair(
    key: SampleKey, pipeline: str, stack: Stack, noisier: Stack, middle: float
) -> PairSample:
    """Return the sample of one pair; `middle` is the share of the readout of the middle instant.

    The network's input is the noisier pair, its target the pair minus the added noise. Since that
    has the variance of the noise in the pair, the noise of input and target is independent, and the
    network cannot learn it (Pang et al., CVPR 2021).
    """
    instants = (0.0, middle, 1.0)
    stages = stages_before_network(pipeline, [f"unroll.instants={list(instants)}"])
    burst = stages.run(Burst(noisier))
    known = Preparation(evidence_of(KIND), scalars_of(KIND), KIND)
    evidence = list(prepare_shutter(burst, known))
    views, unrolled = given(burst.views), given(burst.unrolled)
    height, width = stack.height, stack.width
    offset = torch.zeros(2, 2)
    offset[1] = torch.tensor(unrolled.offset[0])
    read, seen = planes_of(stack), planes_of(noisier)
    frames = [
        encode_shutter(2 * read(k)[0] - seen(k)[0], evidence[0], stack.sensor) for k in (0, 1)
    ]
    share = readout_share(height, stack.scan)[:, :, None].expand(-1, -1, width)
    return PairSample(
        key,
        planes=torch.stack([one.planes for one in evidence]),
        scalars=evidence[0].scalars,
        base=torch.stack([one.base for one in evidence]),
        velocity=views.velocity.float() * (height - 1) / height,
        frames=torch.stack(frames),
        times=share.contiguous(),
        offset=offset,
        instants=torch.tensor(instants),
        level=level_of(burst),
    )


def list_pairs(folder: str) -> list[str]:
    """Return the pairs in a folder as "folder|sequence|first frame"; StackError without any."""
    found = []
    for listed in list_sequences(Path(folder)):
        sequence = listed.read()
        if sequence.sensor.shutter is Shutter.DUAL_REVERSED:
            found += [f"{folder}|{listed.name}|{k}" for k in range(0, sequence.count, 2)]
    if not found:
        raise StackError(
            f"--pairs {folder}: expected dual reversed pairs, found none. Pass a folder of"
            " <name>_t2b.png and <name>_b2t.png."
        )
    return found


def _draw_recorded(key: SampleKey, pairs: Sequence[str], generator: torch.Generator) -> Recorded:
    chosen = one_of(split_scenes(list(pairs), key.held_out), generator)
    folder, name, first = chosen.split("|")
    listed = {one.name: one for one in list_sequences(Path(folder))}[name]
    whole = listed.read()
    pair = slice(int(first), int(first) + 2)
    return Recorded(whole.frames[pair], whole.sensor, whole.scan[pair], name, whole.source)


def _window(sample: PairSample, size: int, generator: torch.Generator) -> PairSample:
    """Return a window of a sample, at most `size` px high and wide; rows keep their times."""
    height, width = sample.base.shape[-2:]
    side = min(size, height), min(size, width)
    top, left = (choose(n - s + 1, generator) for n, s in zip((height, width), side, strict=True))
    inside = (..., slice(top, top + side[0]), slice(left, left + side[1]))
    parts = ("planes", "base", "velocity", "frames", "times")
    return replace(sample, **{name: getattr(sample, name)[inside] for name in parts})
