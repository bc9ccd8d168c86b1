"""The planes of a colour mosaic are restored alike."""

from dataclasses import dataclass, replace

import torch

from burst.data.levels import Conditions
from burst.data.scenes import read_scene
from burst.data.turbulence import simulate
from burst.ops.bayer import demosaic
from burst.ops.noise import to_linear
from burst.pipeline import load
from burst.records import Provenance
from burst.restoration import Execution, describe, restore_stack


class Kept:
    """Keep the last burst of each stage of each plane in memory, none of which is resumed."""

    def __init__(self):
        self.bursts = {}

    def __call__(self, plane, pipeline, stack):
        self.plane = plane
        return self

    def restart(self, pipeline, burst):
        return burst, 0

    def save(self, step, before, after):
        self.bursts[self.plane, step.name] = after


def mosaic():
    """Return 12 frames of 128 x 128 of a mosaic whose red is dark and noisy, and blue flat."""
    draw = torch.Generator().manual_seed(3)
    conditions = Conditions(2.0, 1500, 4, 0.3, 0)
    stack = simulate(read_scene("camera"), conditions, draw, 12, (128, 128)).stack
    frames = stack.frames.copy()
    frames[:, 0::2, 0::2] = 256 + (frames[:, 0::2, 0::2].clip(256) - 256) // 8
    frames[:, 1::2, 1::2] = 1800 + frames[:, 1::2, 1::2] // 32
    return replace(stack, frames=frames, sensor=replace(stack.sensor, cfa="RGGB", sampling=0.6))


def test_all_planes_of_a_mosaic_have_one_psf():
    stack, pipeline, kept = mosaic(), load("classical"), Kept()
    execution = Execution()
    provenance = describe(pipeline, stack, execution)
    restore_stack(stack, pipeline, execution, provenance, lambda *_: None, kept)
    last = pipeline.steps[-1].name
    first = kept.bursts["G1", last].psf.mean(0)
    for plane in ("R", "G2", "B"):
        found = kept.bursts[plane, "blur"].psf.mean(0)
        # Rows move a little differently in each plane, as far as that is known.
        torch.testing.assert_close(found, first, atol=1e-3, rtol=0)


class Whole:
    """A stage that takes a mosaic whole, and gives its sites as colours."""

    NEEDS, GIVES, MOSAIC = ("stack",), ("image",), True

    @dataclass(frozen=True)
    class Config:
        pass

    @staticmethod
    def run(burst, config):
        frame = to_linear(burst.stack.frames[0], replace(burst.stack.sensor, cfa="mono"))
        return replace(burst, image=demosaic(frame, burst.stack.sensor.cfa))


def test_a_mosaic_is_taken_whole_where_every_stage_says_so():
    stack, execution = mosaic(), Execution()
    pipeline = replace(load("classical"), steps=()).with_stage("whole", Whole)
    assert pipeline.takes_mosaics
    provenance = Provenance("", "", "", 0, 1, "cpu", "")
    result = restore_stack(stack, pipeline, execution, provenance, lambda *_: None)
    assert result.pixels.shape == (128, 128, 3)
    assert result.burst.stack is stack
    assert not load("classical").with_stage("whole", Whole).takes_mosaics
