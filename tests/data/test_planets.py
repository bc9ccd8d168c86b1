"""Simulated planets turn, drift, leave the field, and look as they should."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated import planet_stack

from burst.data.planets import SEEING, draw_craters, draw_map, render, simulate_planet
from burst.data.recording import Planet
from burst.ops.sphere import Globe


def test_the_same_seed_gives_the_same_frames():
    made, again = (
        simulate_planet(
            Planet(radius=16.0, drift=20.0), SEEING, torch.Generator().manual_seed(4), 6, (96, 96)
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(made.stack.frames, again.stack.frames)


def test_the_disc_is_as_large_and_as_flat_as_told():
    image = render(Globe(20.0, 0.2), torch.ones(64, 128), 0.0, torch.zeros(1), (60, 60))[0]
    assert float(image[30].sum()) == pytest.approx(40, abs=0.7)
    assert float(image[:, 30].sum()) == pytest.approx(32, abs=0.7)


def test_the_limb_is_darker_than_the_middle():
    image = render(Globe(20.0), torch.ones(64, 128), 0.7, torch.zeros(1), (60, 60))[0]
    assert float(image[30, 47]) < 0.75 * float(image[30, 30])


def test_a_full_turn_shows_the_same_side():
    surface = draw_map(torch.Generator().manual_seed(1), 128)
    turn = torch.tensor([0.0, 2 * torch.pi])
    first, last = render(Globe(20.0, 0.0, 0.3, 0.1), surface, 0.5, turn, (60, 60))
    torch.testing.assert_close(first, last, atol=1e-3, rtol=0)


def test_the_planet_drifts_as_far_as_told():
    made = planet_stack(drift=60.0)
    assert np.ptp(made.corner[:, 0]) == pytest.approx(60, abs=4)


def test_the_planet_is_away_for_its_share_of_the_time():
    light = planet_stack(drift=40.0, away=0.25).stack.frames.astype(float).sum((1, 2))
    light -= light.min()
    assert (light < 0.05 * light.max()).mean() == pytest.approx(0.25, abs=0.15)


def test_times_span_the_recording():
    times = planet_stack().stack.sensor.frame_times
    assert times[0] == 0
    assert times[-1] == pytest.approx(20)


def test_dispersion_moves_colours_apart():
    made = planet_stack(dispersion=3.0)
    rows = np.arange(96)[:, None]
    light = made.stack.colour.astype(float) - 256
    middle = (light * rows[None, ..., None]).sum((0, 1, 2)) / light.sum((0, 1, 2))
    assert middle[0] - middle[2] == pytest.approx(6, abs=0.5)


def test_the_truth_may_be_finer_than_the_frames():
    made = planet_stack()
    truth = made.truth((120, 120), 1.5)
    assert float((truth > 0.02).sum()) == pytest.approx(
        2.25 * float((made.truth((80, 80)) > 0.02).sum()), rel=0.03
    )


def test_a_moon_has_craters():
    surface = draw_craters(128, torch.Generator().manual_seed(1))
    assert surface.shape == (128, 128)
    assert 0 <= float(surface.min()) < float(surface.max()) <= 1
    assert float(surface.std()) > 0.05


def test_a_globe_is_told_in_degrees():
    globe = replace(Planet(), tilt=90.0, latitude=0.0).globe
    assert globe.pole[0] == pytest.approx(1)
