"""Stage figures: perfect estimates have none, and known errors are measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burst.measure.stage_figures import (
    FIGURES,
    endpoint_error,
    percent,
    row_share,
    stage_figures,
    true_noise,
)
from burst.measure.trace import after_each
from burst.pipeline import load


def flow(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_perfect_flow_has_no_error():
    truth = flow(5, 2, 8, 8)
    assert endpoint_error(truth, truth, torch.ones(8, 8, dtype=torch.bool)) == 0


def test_what_all_frames_share_is_no_error():
    truth = flow(5, 2, 8, 8)
    everywhere = torch.ones(8, 8, dtype=torch.bool)
    assert endpoint_error(truth + flow(1, 2, 8, 8), truth, everywhere) < 1e-6


def test_error_is_a_length():
    truth = torch.zeros(2, 2, 4, 4)
    off = truth.clone()
    off[0, 0], off[0, 1] = 6.0, 8.0
    # Half of it is taken out with the mean of the two frames.
    assert endpoint_error(off, truth, torch.ones(4, 4, dtype=torch.bool)) == pytest.approx(5)


@pytest.mark.parametrize(("known", "share"), [(0.0, 0.0), (1.0, 100.0), (0.5, 75.0)])
def test_share_of_row_motion(known, share):
    motion = flow(6, 8, 2)
    truth = motion.movedim(1, 2)[..., None].expand(6, 2, 8, 8)
    assert row_share(known * truth, truth, motion) == pytest.approx(share, abs=0.01)


def test_percent_has_a_sign():
    assert percent(0.9, 1.0) == pytest.approx(-10)


def test_true_noise_is_that_of_the_electrons(simulated):
    noise = true_noise(simulated.truth, simulated.stack.sensor)
    assert noise.shot == pytest.approx(1e-3)
    assert noise.read == pytest.approx(36e-6, rel=0.01)


def test_every_stage_is_told_of(trace, simulated):
    figures = stage_figures(trace.after, simulated)
    assert set(figures) == set(FIGURES)
    assert figures["align"] < figures["displaced"]


def test_a_stack_that_lost_a_frame_is_measured_by_the_others(simulated):
    frames = simulated.stack.frames.copy()
    frames[5] = frames[5, ::-1, ::-1]
    spoilt = replace(simulated, stack=replace(simulated.stack, frames=frames))
    after = after_each(load("classical"), spoilt.stack)
    assert after["align"].kept is not None
    assert 5 not in after["align"].kept
    figures = stage_figures(after, spoilt)
    assert figures["align"] < figures["displaced"]
