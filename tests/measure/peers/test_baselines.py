"""Baselines do what their names say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from burst.measure.peers.baselines import BASELINES, plain_mean
from burst.measure.scores import score
from burst.records import Burst, Sensor, Stack


@pytest.fixture
def burst():
    """Return a burst of ten grey frames, one of them white."""
    frames = np.full((10, 16, 16), 2175, np.uint16)
    frames[3] = 4095
    return Burst(Stack(frames, Sensor(black_level=255)))


@pytest.mark.parametrize(
    ("name", "level"), [("mean", 0.55), ("median", 0.5), ("trimmed mean", 0.5)]
)
def test_average_of_grey_and_one_white(burst, name, level):
    assert float(BASELINES[name].combine(burst).mean()) == pytest.approx(level, abs=1e-3)


def test_registering_beats_averaging(trace, simulated):
    mean = score(plain_mean(simulated.stack), simulated.truth.scene).psnr
    registered = BASELINES["registered mean"].combine(trace.after["align"])
    assert score(registered, simulated.truth.scene).psnr > mean + 0.5


def test_best_frame_is_the_sharpest(trace):
    burst = trace.after["select"]
    chosen = BASELINES["best frame"].combine(burst)
    sharpness = burst.report.numbers("select")["sharpness"]
    assert torch.equal(chosen, burst.linear[int(np.argmax(sharpness))])
