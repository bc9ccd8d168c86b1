"""Noise leads to black: where it is told too low, and nowhere else."""

import numpy as np
import pytest
import torch

from burst.ops.noise import fit_noise, noise_curve, residuals_of_windows, to_linear
from burst.ops.sensor.black import higher_black, lower_black, saturated_at
from burst.records import Sensor

STEP = 1 / 4095
BLACK = 337


def recorded(light: np.ndarray, gain: float = 1.0, frames: int = 24) -> torch.Tensor:
    """Return frames [n, h, w] of light [h, w] or [n, h, w] (electrons), as if black were 0."""
    generator = np.random.default_rng(0)
    counted = generator.poisson(np.broadcast_to(light, (frames, *light.shape[-2:])))
    dn = gain * (counted + generator.normal(0, 4, counted.shape)) + BLACK
    return to_linear(np.clip(np.rint(dn), 0, 4095).astype(np.uint16), Sensor())


def raised(linear: torch.Tensor) -> float | None:
    """Return the black level that frames lead to, DN; None if they do not."""
    black = lower_black(linear, residuals_of_windows(linear), STEP)
    return None if black is None else black / STEP


def sky() -> np.ndarray:
    """Return a dark sky [96, 96] that is brighter on one side, electrons."""
    return np.linspace(20, 200, 96) * np.ones((96, 1))


def test_a_dark_sky_leads_to_its_black():
    assert raised(recorded(sky())) == pytest.approx(BLACK, abs=25)


def test_a_sky_that_fades_from_frame_to_frame_leads_there_too():
    fading = np.linspace(400, 60, 40)[:, None, None] * np.ones((96, 96))
    assert raised(recorded(fading, frames=40)) == pytest.approx(BLACK, abs=25)


def test_haze_is_light():
    hazy = recorded(np.linspace(1500, 3000, 96) * np.ones((96, 1))) - BLACK * STEP
    assert raised(hazy) is None


def test_an_even_scene_says_nothing():
    assert raised(recorded(np.full((96, 96), 900.0))) is None


def test_sharp_detail_that_stands_still_says_nothing():
    checks = np.indices((96, 96)).sum(0) % 2 * np.linspace(0, 3000, 96) + 50
    assert raised(recorded(checks)) is None


def test_darkness_below_black_tells_how_far_it_goes():
    linear = recorded(sky()) - 450 * STEP
    noise = fit_noise(*noise_curve(linear), -450 * STEP, STEP)
    assert higher_black(linear, None, noise) / STEP + 450 == pytest.approx(BLACK + 20, abs=6)
    assert higher_black(linear + 200 * STEP, None, noise) is None


def test_values_pile_up_where_the_sensor_ends():
    linear = recorded(np.linspace(100, 1500, 96) * np.ones((96, 1)))
    noise = fit_noise(*noise_curve(linear), 0.0, STEP)
    assert saturated_at(linear, None, noise, STEP) is None
    end = 1023 * STEP
    assert saturated_at(linear.clamp(max=end), None, noise, STEP) == pytest.approx(end)
