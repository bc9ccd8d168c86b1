"""The planes of a colour mosaic are restored alike."""

from dataclasses import replace

import torch

from burst.data.levels import Conditions
from burst.data.scenes import read_scene
from burst.data.turbulence import simulate
from burst.pipeline import load
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
