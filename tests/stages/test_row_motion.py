"""The camera's motion is found row by row, and the whole displacement is kept."""

from dataclasses import replace

import pytest
import torch
from simulated import after, before, rms, stack_of, total_flow

from burst.ops.alignment.registration import recentre
from burst.ops.warp import compose
from burst.stages.row_motion import Config, run


def rows_of(flow: torch.Tensor) -> torch.Tensor:
    """Return the displacement [n, h, 2] of rows away from the border."""
    return flow[..., 8:-8, 8:-8].mean(3).movedim(1, 2)


def errors_of(flow: torch.Tensor, level: str) -> float:
    """Return how far (rms, px) rows lie from the simulator's centred displacement."""
    return rms(rows_of(flow - recentre(total_flow(stack_of(level, 192, 40)))))


@pytest.mark.parametrize("level", ["low", "medium"])
def test_most_of_the_row_motions_variance_is_taken_out(level):
    burst = after("row_motion", level)
    motion = stack_of(level, 192, 40).truth.row_motion
    left = errors_of(compose(burst.flow, burst.row_motion), level)
    assert left**2 < 0.3 * rms(motion - motion.mean(0)) ** 2


def test_the_displacement_is_only_divided():
    burst = before("row_motion")
    result = run(burst, Config())
    torch.testing.assert_close(
        compose(result.flow, result.row_motion), burst.flow, atol=1e-4, rtol=0
    )


def test_shaking_that_air_cannot_explain_is_the_cameras():
    burst = before("row_motion")
    shift = 5 * torch.randn(40, 1, 2, generator=torch.Generator().manual_seed(0))
    shaken = replace(burst, flow=compose(burst.flow, shift.expand(-1, 192, -1)))
    found = run(shaken, Config()).row_motion.mean(1)
    error = found - shift[:, 0]
    assert rms(error - error.mean(0)) < 0.7 * rms(shift)
    assert rms(after("row_motion").row_motion.mean(1)) < 0.2 * rms(found)


def test_motion_is_smooth_over_the_readout():
    motion = after("row_motion").row_motion
    assert rms(motion.diff(dim=1)) < 0.1 * rms(motion)


def test_what_is_reported_is_what_is_given():
    burst = after("row_motion")
    numbers = burst.report.numbers("row_motion")
    within = burst.row_motion - burst.row_motion.mean(1, keepdim=True)
    assert numbers["rms"] == pytest.approx(rms(burst.row_motion))
    assert numbers["rms_within_frames"] == pytest.approx(rms(within))
