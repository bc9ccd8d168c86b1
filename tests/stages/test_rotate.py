"""A planet that turns within the recording is shown at its middle, and resampled once."""

from dataclasses import replace

import pytest
import torch
from simulated import planet_stack, still_stack

from burst.ops.alignment.rotation import as_recorded
from burst.pipeline import load
from burst.records import Burst, StackError, given
from burst.stages.rotate import Config, run

TURNING = {"seconds": 2400.0, "tilt": 30.0, "latitude": 5.0, "flattening": 0.0}
SET = Config(period=9.925, tilt=30.0, latitude=5.0, flattening=0.0, radius=22.0)


def selected() -> Burst:
    """Return a planet that turns by 24 degrees, before it is turned back."""
    return load("planet").before("rotate").run(Burst(planet_stack(**TURNING).stack))


def correlation(first: torch.Tensor, last: torch.Tensor) -> float:
    """Return how alike the middles of two images [h, w] are, free of shifts by a pixel or two."""
    from burst.ops.alignment.shifts import global_shifts

    shift = global_shifts(torch.stack([first, last]), 0)[1]
    moved = torch.roll(last, (-round(float(shift[1])), -round(float(shift[0]))), (0, 1))
    middle = (slice(22, -22), slice(22, -22))
    pair = torch.stack([first[middle].flatten(), moved[middle].flatten()])
    return float(torch.corrcoef(pair)[0, 1])


def test_the_first_and_the_last_frames_come_out_alike():
    burst = selected()
    turned = run(burst, SET)
    wrong = run(burst, replace(SET, period=-SET.period))
    ends = [
        correlation(given(b.linear)[:4].mean(0), given(b.linear)[-4:].mean(0))
        for b in (turned, burst, wrong)
    ]
    assert ends[0] > ends[1] > ends[2]


def test_without_a_period_nothing_is_done():
    burst = selected()
    assert run(burst, Config()).linear is burst.linear


def test_frames_as_recorded_are_found_through_the_rotation():
    burst = run(selected(), SET)
    frames, flow, valid = as_recorded(
        given(burst.rotation), torch.zeros(len(burst.linear), 2, *burst.linear.shape[1:]), None
    )
    torch.testing.assert_close(frames, selected().linear)
    assert float(flow[:4, 0].mean()) * float(flow[-4:, 0].mean()) < 0
    assert bool(valid[:, 30, 30].all())
    assert not bool(valid.all())


def test_a_planet_that_turns_is_restored_as_at_the_middle():
    made = planet_stack(**TURNING)
    from burst.measure.discs import score_disc

    said = ["rotate.period=9.925", "rotate.tilt=30", "rotate.latitude=5", "rotate.flattening=0"]
    right = load("planet", said).run(Burst(made.stack)).image
    truth = made.truth(tuple(right.shape))
    assert score_disc(right, truth, made.planet.globe).psnr > 22


def test_a_period_needs_a_disc_and_times():
    burst = replace(Burst(still_stack()), linear=torch.zeros(16, 32, 32))
    with pytest.raises(StackError, match=r"expected a disc .* leave rotate.period out"):
        run(burst, SET)
    burst = selected()
    sensor = replace(burst.stack.sensor, frame_times=None, frame_time=0.0)
    burst = replace(burst, stack=replace(burst.stack, sensor=sensor))
    with pytest.raises(StackError, match="expected the times of the frames"):
        run(burst, SET)
