"""Frames are registered to a reference that no single frame bends."""

from dataclasses import replace

import pytest
import torch
from simulated import after, before, rms, stack_of, total_flow

from burst.ops.registration import aligned_mean, recentre
from burst.records import NoiseModel
from burst.stages.align import POOR_MISFIT, Config, run

INSIDE = (..., slice(8, -8), slice(8, -8))


def error_of(flow: torch.Tensor, level: str) -> float:
    """Return the mean end point error in px against the simulator's centred displacement."""
    truth = recentre(total_flow(stack_of(level, 192, 40)))
    return float((flow - truth)[INSIDE].norm(dim=1).mean())


@pytest.mark.parametrize(("level", "bound"), [("low", 0.3), ("medium", 0.7), ("high", 1.2)])
def test_displacement_is_recovered(level, bound):
    assert error_of(after("align", level).flow, level) < bound


@pytest.mark.parametrize("reference", ["mean", "key"])
def test_every_reference_finds_the_displacement(reference):
    result = run(before("align"), Config(reference=reference))
    note = result.report.entries[-1].numbers
    assert error_of(result.flow, "medium") < 0.75
    assert note["reference"].startswith({"mean": "mean", "key": "key frame"}[reference])


def test_the_key_frame_is_the_one_that_weighs_most():
    burst = before("align")
    weights = torch.ones(40)
    weights[13] = 2.0
    result = run(replace(burst, weights=weights), Config(reference="key"))
    assert result.report.entries[-1].numbers["reference"] == "key frame 13"


def test_turbulence_has_no_mean_displacement():
    flow = after("align").flow
    assert rms(flow.mean(0)[INSIDE]) < 0.03 * rms(flow)


def test_aligned_frames_agree_better_than_the_raw_ones():
    burst = after("align")
    scene = aligned_mean(burst.linear, burst.flow, torch.ones(40))
    assert float(scene[INSIDE].diff(dim=1).abs().mean()) > 1.05 * float(
        burst.linear.mean(0)[INSIDE].diff(dim=1).abs().mean()
    )


def test_the_level_is_noise_and_displacement():
    burst = after("align")
    assert burst.level.noise == pytest.approx(burst.noise.std(0.18))
    truth = total_flow(stack_of("medium", 192, 40))
    assert burst.level.displacement == pytest.approx(rms(truth - truth.mean(0)), rel=0.15)


def test_the_report_tells_every_frames_shift():
    shift = torch.tensor(after("align").report.numbers("align")["shift"])
    assert shift.shape == (40, 2)
    torch.testing.assert_close(shift.mean(0), torch.zeros(2), atol=1e-4, rtol=0)


def test_a_poor_fit_is_told():
    burst = before("align")
    # Frames that differ by far more than this noise can explain.
    quiet = replace(burst, noise=NoiseModel(1e-7, 1e-8))
    result = run(quiet, Config())
    assert result.report.entries[-1].numbers["misfit"] > POOR_MISFIT
    assert "still differ" in result.report.entries[-1].warnings[0]
