"""Paths in SI units have the r0 of Fried's integral; mistakes are explained."""

from __future__ import annotations

import math

import pytest

from burst.ops.turbulence.path import PATHS, Path, fried_parameter
from burst.settings import ConfigError


def test_a_uniform_path_has_frieds_r0():
    path = Path(cn2=2e-14, length=1500.0, wavelength=800e-9)
    k = 2 * math.pi / 800e-9
    # The integral of (1 - z/L)^(5/3) is 3/8.
    wanted = (0.423 * k**2 * 2e-14 * 1500 * 3 / 8) ** (-3 / 5)
    assert fried_parameter(path) == pytest.approx(wanted, rel=1e-3)


def test_good_seeing_is_that_of_hufnagel_and_valley():
    """HV 5/7 is named for an r0 of 5 cm at 500 nm, looking up."""
    path = Path("zenith", 1.7e-14, 30000.0, wavelength=500e-9)
    assert fried_parameter(path) == pytest.approx(0.05, rel=0.02)


def test_r0_grows_with_the_wavelength():
    green, red = (fried_parameter(Path(wavelength=w)) for w in (500e-9, 1000e-9))
    assert red / green == pytest.approx(2 ** (6 / 5), rel=1e-6)


def test_air_by_the_scene_counts_less():
    """A roof's air lies where beams are wide, so that it blurs as much as air of plane waves."""
    roof = PATHS["roof"]
    k, height = 2 * math.pi / roof.wavelength, 20.0
    plane = (0.423 * k**2 * roof.cn2 * height) ** (-3 / 5)
    assert fried_parameter(roof) == pytest.approx(plane, rel=0.02)


@pytest.mark.parametrize("name", PATHS)
def test_presets_are_between_hardly_turbulent_and_hopeless(name):
    path = PATHS[name]
    assert 1 < path.aperture / fried_parameter(path) < 6


def test_mistake_is_explained():
    with pytest.raises(ConfigError, match=r"Path cn2: expected greater than 0, found -1"):
        Path(cn2=-1.0)
