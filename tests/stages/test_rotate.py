"""A planet that turns within the recording is shown at its middle, and resampled once."""

import math
from dataclasses import replace

import pytest
import torch
from simulated import planet_stack, still_stack

from burst.data.planets import draw_map, render
from burst.measure.discs import score_disc
from burst.ops.alignment.rotation import as_recorded
from burst.ops.sphere import Globe
from burst.pipeline import load
from burst.records import Burst, Stack, StackError, Track, given
from burst.stages.rotate import Config, run

TURNING = {"seconds": 2400.0, "tilt": 30.0, "latitude": 5.0, "flattening": 0.0}
SET = Config(period=9.925, tilt=30.0, latitude=5.0, flattening=0.0, radius=22.0)


def selected() -> Burst:
    """Return a planet that turns by 24 degrees, before it is turned back."""
    return load("planet").before("rotate").run(Burst(planet_stack(**TURNING).stack))


def test_frames_are_turned_to_the_middle_of_the_recording():
    surface = draw_map(torch.Generator().manual_seed(1), 256)
    globe = Globe(22.0, 0.1, math.radians(30), math.radians(15))
    times = (0.0, 1200.0, 2400.0)
    angle = torch.tensor([time - 1200.0 for time in times]) * 2 * math.pi / (9.925 * 3600)
    linear = render(globe, surface, 0.0, angle, (60, 60))
    stack = still_stack()
    sensor = replace(stack.sensor, frame_times=times)
    stack = Stack(stack.frames[:3, :60, :60], sensor)
    track = Track(((0, 0),) * 3, (60, 60), ((29.5, 29.5),) * 3, 22.0)
    config = Config(period=9.925, tilt=30.0, latitude=15.0, flattening=0.1, radius=22.0)
    shown = given(run(Burst(stack, linear=linear, track=track), config).linear)
    middle = (slice(20, 40), slice(20, 40))
    for before, after in zip(linear[::2], shown[::2], strict=True):
        apart = (before - linear[1])[middle].abs().mean()
        assert float((after - linear[1])[middle].abs().mean()) < 0.15 * float(apart)


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
