"""Images of discs are scored on the disc alone, and rings along the limb are found."""

import pytest
import torch
from simulated import planet_stack

from burst.measure.discs import score_disc
from burst.ops.warp import pixel_grid, warp


def truth() -> torch.Tensor:
    """Return a planet [80, 80]."""
    return planet_stack().truth((80, 80))


def test_the_truth_is_right_whatever_its_brightness():
    found = score_disc(0.5 * truth() + 0.1, truth(), planet_stack().planet.globe)
    assert found.psnr > 50
    assert abs(found.overshoot) < 0.1


def test_a_shift_does_not_count():
    moved = warp(truth()[None], torch.full((1, 2, 80, 80), 1.0))[0]
    assert score_disc(moved, truth(), planet_stack().planet.globe).psnr > 35


def test_larger_images_are_scored_in_their_middle():
    globe = planet_stack().planet.globe
    assert score_disc(planet_stack().truth((100, 96)), truth(), globe).psnr > 50


def test_a_ring_inside_the_limb_is_an_overshoot():
    x, y = pixel_grid(truth())
    globe = planet_stack().planet.globe
    x, y = globe.stretched(x - 39.5, y - 39.5, 1 / (1 - globe.flattening))
    far = (x * x + y * y).sqrt()
    light = truth()[far < 0.85 * globe.radius].mean()
    ringing = truth() + 0.05 * light * ((far > 18.5) & (far < 20.5))
    assert score_disc(ringing, truth(), globe).overshoot == pytest.approx(5, abs=1)
