"""The whole classical pipeline restores a defective sensor's stack as well as a flawless one's."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from simulated import stack_of

from burst.data.defects import DEFECTS
from burst.data.turbulence import SimulatedStack
from burst.measure.scores import score
from burst.ops.bayer import split_planes
from burst.pipeline import load
from burst.records import Burst, Stack
from burst.stages.noise import Config, run

LARGEST_LOSS = 0.3  # dB
KINDS = [kind for kind in DEFECTS if kind != "wrong_black"]


def simulated() -> SimulatedStack:
    """Return a small stack through weak air."""
    return stack_of("low")


def psnr_of(stack: Stack) -> float:
    """Return the PSNR (dB) of the classical restoration of a stack of the simulated scene."""
    image = load("classical").run(Burst(stack)).image
    assert image is not None
    return score(image, simulated().truth.scene).psnr


@lru_cache(maxsize=1)
def flawless() -> float:
    """Return what the stack without defects gives, dB."""
    return psnr_of(simulated().stack)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defective_sensor_costs_next_to_nothing(kind):
    stack = simulated().stack
    spoilt = replace(stack, frames=DEFECTS[kind](stack.frames, 0))
    assert psnr_of(spoilt) > flawless() - LARGEST_LOSS


def test_the_merge_falls_back_on_mended_values_where_no_frame_is_valid():
    stack = simulated().stack
    frames = stack.frames.copy()
    frames[:, 40:44] = 0
    known: dict[str, Burst] = {}
    still = replace(stack, frames=np.repeat(frames[:1], stack.count, axis=0))
    load("classical").run(Burst(still), lambda step, burst: known.update({step.name: burst}))
    merged, mended = known["deconvolve"].merged, known["noise"].linear.mean(0)
    assert torch.isfinite(merged).all()
    torch.testing.assert_close(merged[40:44], mended[40:44], atol=0.05, rtol=0)


def test_defects_of_a_mosaic_are_found_in_each_plane():
    flat = np.random.default_rng(0).normal(1200, 15, (24, 96, 96)).round().astype(np.uint16)
    flat[:, 20:22, 30:32] = 0  # one pixel of each plane
    flat[:, 51] = 0  # a row of two planes
    colour = Stack(flat, replace(simulated().stack.sensor, cfa="RGGB"))
    counts = [
        run(Burst(p), Config()).report.entries[-1].numbers["defects"] for p in split_planes(colour)
    ]
    assert [c["pixels"] for c in counts] == [1, 1, 1, 1]
    assert [c["rows"] for c in counts] == [0, 0, 1, 1]
