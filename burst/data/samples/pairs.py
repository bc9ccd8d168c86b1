"""A training sample of a dual reversed pair without known truth, simulated or recorded.

The network learns from the pair itself: its images at the start, at a row's time and at the end of
the readout, read row by row, must reproduce what both cameras have read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from burst.data.samples.draws import between, generator_of
from burst.data.samples.recorded import draw_recorded
from burst.data.samples.rolling import ShutterSampleSettings, record, window_of
from burst.data.samples.turbulence import SampleKey, stages_before_network
from burst.network.inputs_rolling import encode_shutter, level_of, prepare_shutter
from burst.network.preparation import Kind, Preparation, evidence_of, scalars_of
from burst.ops.noise import fit_noise, lowest_linear, noise_curve, to_dn, to_linear
from burst.ops.rolling.planes import planes_of
from burst.ops.shutter import readout_share
from burst.records import Burst, Level, Stack, given

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
        sequence = draw_recorded(key, False, scenes, generator)
    else:
        sequence = record(key, replace(settings, frames=(1, 1)), scenes, generator)
    middle = between(ROWS, generator)
    stack = sequence.luminance()
    noisier = with_more_noise(stack, generator)
    sample = sample_of_pair(key, settings.pipeline, stack, noisier, middle)
    return window_of(sample, settings.size, generator)


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
