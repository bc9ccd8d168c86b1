"""Which vibration a burst shows: near the frame rate the mean of all frames does, consecutive
frames do not, and at exactly the frame rate nothing does."""

from functools import lru_cache

import pytest
import torch
from simulated import camera_scene, rms

from burst.ops.alignment.cells import cells_of, expand
from burst.ops.alignment.registration import COARSE, FINE, register
from burst.ops.warp import warp
from burst.records import NoiseModel

FRAMES, SIZE = 16, 96
READOUT = 0.8  # frame times
HEIGHT = 1.5  # px


def vibration(cycles: float) -> torch.Tensor:
    """Return the displacement to the right [n, h] px of rows shaken `cycles` times a frame time."""
    start = torch.arange(FRAMES)[:, None]
    row = torch.arange(SIZE)[None] / SIZE
    return HEIGHT * (2 * torch.pi * cycles * (start + READOUT * row)).sin()


@lru_cache(maxsize=4)
def found(cycles: float) -> torch.Tensor:
    """Return the row motion [n, h] px that registration to the burst's mean finds."""
    still = camera_scene()[None, 80:196, 160:276].expand(FRAMES, -1, -1)
    flow = torch.full((FRAMES, 2, SIZE, SIZE), 10.0)
    flow[:, 0] -= vibration(cycles)[..., None]
    frames = warp(still, flow)
    cells = cells_of(frames, torch.zeros(FRAMES, 2))
    cells, _ = register(frames, NoiseModel(1e-5, 1e-6), cells, (*COARSE, *FINE))
    return expand(cells, (SIZE, SIZE))[:, 0, :, 8:-8].mean(2)


@pytest.mark.parametrize("cycles", [1 + 1 / FRAMES, 2 - 1 / FRAMES])
def test_the_mean_of_the_burst_shows_what_neighbours_do_not(cycles):
    motion = vibration(cycles)[:, 8:-8]
    # One beat in the burst: from one frame to the next hardly anything changes.
    assert rms(motion.diff(dim=0)) < 0.4 * rms(motion)
    assert rms(found(cycles)[:, 8:-8] - motion) < 0.4 * rms(motion)


def test_at_exactly_the_frame_rate_all_frames_bend_alike():
    motion = vibration(1.0)
    assert rms(motion - motion.mean(0)) < 1e-4
    assert rms(motion) > 1
    assert rms(found(1.0)) < 0.05
