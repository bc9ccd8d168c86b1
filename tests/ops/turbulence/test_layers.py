"""Layers of air obey Fried, Noll and von Karman, and drift frozen with the wind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special

from burst.ops.turbulence.layers import Layer, LayeredAir, coefficients, draw_waves, layers_of
from burst.ops.turbulence.path import PATHS, fried_parameter
from burst.ops.turbulence.zernike import noll_covariance

STRENGTH = 3.0
STILL = (0.0, 0.0)


def one_layer(outer_scale: float, drift: tuple[float, float] = STILL) -> LayeredAir:
    """Return a layer at the aperture, seen by beams that lie 20 diameters apart."""
    return LayeredAir((Layer(STRENGTH, 1.0, 20.0, drift),), outer_scale, modes=36)


def structure_function(outer_scale: float, distance: float) -> float:
    """Return the mean squared difference of phase between points so many diameters apart."""
    total = 0.0
    for seed in range(50):
        drawn = draw_waves(one_layer(outer_scale), torch.Generator().manual_seed(seed))[0]
        turn = 2 * math.pi * distance * drawn.frequency[:, 0]
        total += float((drawn.amplitude.abs() ** 2 * (1 - turn.cos())).sum())
    return total / 50


def variance_of_modes(air: LayeredAir, draws: int) -> np.ndarray:
    """Return the variance [modes] of Noll's modes from the second on, of beams far apart."""
    pixels, times = 400 * torch.arange(4), (300 * torch.arange(4))[:, None].expand(4, 4)
    total = np.zeros(air.modes - 1)
    for seed in range(draws):
        waves = draw_waves(air, torch.Generator().manual_seed(seed))
        seen = coefficients(air, waves, range(2, air.modes + 1), pixels, pixels, times)
        total += seen.double().square().mean((0, 2, 3)).numpy()
    return total / draws


@pytest.mark.parametrize("distance", [0.1, 0.3, 1.0, 3.0])
def test_phase_has_frieds_structure_function(distance):
    fried = 6.88 * (distance * STRENGTH) ** (5 / 3)
    assert structure_function(math.inf, distance) == pytest.approx(fried, rel=0.05)


@pytest.mark.parametrize("distance", [0.3, 1.0, 4.0, 20.0])
def test_an_outer_scale_gives_von_karmans_structure_function(distance):
    outer_scale = 10.0
    u = 2 * math.pi * distance / outer_scale
    bessel = 2 ** (1 / 6) / special.gamma(5 / 6) * u ** (5 / 6) * special.kv(5 / 6, u)
    # Conan (1994), with 0.1725 in full.
    constant = (24 / 5 * special.gamma(6 / 5)) ** (5 / 6) * special.gamma(11 / 6)
    constant *= special.gamma(5 / 6) / (math.pi ** (8 / 3))
    karman = constant * (outer_scale * STRENGTH) ** (5 / 3) * (1 - bessel)
    assert structure_function(outer_scale, distance) == pytest.approx(karman, rel=0.06)


def test_every_mode_has_nolls_variance():
    variance = variance_of_modes(one_layer(math.inf), draws=120)
    theory = np.diag(noll_covariance(2, 36)) * STRENGTH ** (5 / 3)
    assert variance[:2].mean() == pytest.approx(theory[0], rel=0.1)
    np.testing.assert_allclose(variance[2:], theory[2:], rtol=0.1)


def test_an_outer_scale_takes_from_tilt_and_leaves_blur():
    theory = np.diag(noll_covariance(2, 36)) * STRENGTH ** (5 / 3)
    variance = variance_of_modes(one_layer(10.0), draws=60)
    # Sasiela (1994): 1 - 1.42 (D/L0)^(1/3) + ... is .36 of Kolmogorov's tilt.
    assert variance[:2].mean() / theory[0] == pytest.approx(0.36, abs=0.05)
    assert variance[9:].mean() / theory[9:].mean() == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("name", ["road", "telescope"])
def test_a_path_has_nolls_tilt_for_its_own_strength(name):
    path = PATHS[name]
    air = layers_of(path, 1.0, 0.03, torch.Generator().manual_seed(0))
    kolmogorov = LayeredAir(air.layers, math.inf, modes=6)
    strength = path.aperture / fried_parameter(path)
    assert kolmogorov.d_over_r0 == pytest.approx(strength, rel=0.01)
    variance = variance_of_modes(kolmogorov, draws=70)
    assert variance[:2].mean() == pytest.approx(0.449 * strength ** (5 / 3), rel=0.1)
    assert variance[2:5].mean() == pytest.approx(0.0232 * strength ** (5 / 3), rel=0.1)


def test_layers_drift_frozen():
    air = LayeredAir((Layer(2.0, 0.6, 0.25, (0.5, -0.25)),), 10.0, modes=20)
    waves = draw_waves(air, torch.Generator().manual_seed(1))
    y, x = torch.arange(6), torch.arange(6)
    now, later = (
        coefficients(air, waves, range(2, 21), y, x, torch.full((1, 6), time))[0]
        for time in (0.0, 3.0)
    )
    # In three frames the layer moves by six beams to the right and by three up.
    there = coefficients(air, waves, range(2, 21), y - 3, x + 6, torch.zeros(1, 6))[0]
    torch.testing.assert_close(later, there, atol=1e-3, rtol=1e-3)
    assert float((later - now).square().mean()) > 0.1 * float(now.square().mean())


def test_each_row_is_seen_at_its_own_time():
    air = LayeredAir((Layer(2.0, 0.6, 0.25, (0.5, 0.0)),), 10.0, modes=5)
    waves = draw_waves(air, torch.Generator().manual_seed(2))
    beams, times = torch.arange(4), torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    rows = coefficients(air, waves, range(2, 6), beams, beams, times)
    for row in range(4):
        whole = coefficients(air, waves, range(2, 6), beams, beams, times[:, row].expand(1, 4))
        torch.testing.assert_close(rows[0, :, row], whole[0, :, row], atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_layers():
    one, two, other = (
        layers_of(PATHS["slant"], 1.0, 0.03, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert one == two != other


def test_a_layer_by_the_scene_bends_neighbours_apart():
    """Beams of neighbours share the air at the camera and part towards the scene."""
    pixels, times = torch.arange(0, 64, 16), torch.zeros(1, 4)

    def unlike(layer: Layer) -> float:
        air = LayeredAir((layer,), 10.0)
        tilts = [
            coefficients(
                air, draw_waves(air, torch.Generator().manual_seed(seed)), range(2, 4),
                pixels, pixels, times,
            )
            for seed in range(20)
        ]  # fmt: skip
        tilt = torch.cat(tilts)
        return float(tilt.diff(dim=3).square().mean() / tilt.square().mean())

    by_camera, by_scene = Layer(2.0, 0.95, 0.05 / 32, STILL), Layer(2.0, 0.2, 0.8 / 32, STILL)
    assert unlike(by_scene) > 30 * unlike(by_camera)
