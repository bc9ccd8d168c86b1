"""Paths through air in SI units: how strong the air is along them.

Sources: D. L. Fried, J. Opt. Soc. Am. 56, 1380 (1966), for r0; R. E. Hufnagel and G. C. Valley's
profile above ground as of L. C. Andrews and R. L. Phillips, Laser Beam Propagation through Random
Media (2005), eq. 12.1; J. C. Wyngaard et al., J. Opt. Soc. Am. 61, 1646 (1971), for air that rises
by day, where Cn2 falls with the power -4/3 of height.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from burst.settings import checked

STEPS = 4096  # of the integral of Cn2, logarithmic from the aperture on
NEAREST = 1e-5  # share of the path where that integral begins
ROOF_HEIGHT = 20.0  # m over which the warm air of a roof thins out; by hand
CAMERA_HEIGHT = 2.0  # m above ground, of a slant path
HUFNAGEL_VALLEY = (2.7e-16, 1500.0, 0.00594, 21.0 / 27.0, 1e-5, 1000.0, 100.0)  # HV 5/7

Profile = Literal["uniform", "slant", "roof", "zenith"]


@checked
@dataclass(frozen=True)
class Path:
    """A line of sight through turbulent air.

    profile      how Cn2 changes along it: `uniform`; `slant`, which rises to `height` above ground;
                 `roof`, warm air before the camera; `zenith`, up to a star by Hufnagel and Valley
    cn2          at the camera, m^(-2/3)
    length       m, from the camera to the scene or, of a star, to the end of the air
    height       m, of the scene above the camera; of a slant path alone
    aperture     m
    wavelength   m
    outer_scale  m
    wind         m/s across the path
    """

    profile: Profile = "uniform"
    cn2: Annotated[float, Field(gt=0, le=1e-9)] = 1e-14
    length: PositiveFloat = 1000.0
    height: NonNegativeFloat = 0.0
    aperture: PositiveFloat = 0.1
    wavelength: Annotated[float, Field(gt=1e-7, le=2e-5)] = 550e-9
    outer_scale: PositiveFloat = 1.0
    wind: NonNegativeFloat = 2.0


PATHS = {
    "road": Path(),
    "slant": Path("slant", 5e-14, 3000.0, 100.0, 0.15, outer_scale=2.0, wind=4.0),
    "roof": Path("roof", 2e-13, 2000.0, 0.0, 0.15, outer_scale=2.0, wind=2.0),
    "telescope": Path("zenith", 1.7e-14, 20000.0, 0.0, 0.25, outer_scale=20.0, wind=8.0),
}


def fried_parameter(path: Path) -> float:
    """Return r0 in m of light from the scene: (0.423 k^2 integral of Cn2 w^(5/3) dz)^(-3/5), where
    w is the width of a beam over the aperture, which narrows towards a near scene."""
    z, strength = strength_along(path)
    return r0_of(path, float((strength * beam_width(path, z) ** (5 / 3)).sum()))


def r0_of(path: Path, strength: float) -> float:
    """Return r0 in m of plane waves, behind an integral of Cn2 in m^(1/3)."""
    wave_number = 2 * math.pi / path.wavelength
    return float((0.423 * wave_number**2 * strength) ** (-3 / 5))


def beam_width(path: Path, z: np.ndarray) -> np.ndarray:
    """Return the width of the beam z m before the camera, over the aperture."""
    # Light of a star, behind all air, comes as plane waves.
    return np.ones_like(z) if path.profile == "zenith" else 1 - z / path.length


def strength_along(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return distances z [s] from the camera in m, and Cn2 dz [s] there."""
    edges = np.concatenate([[0.0], np.geomspace(NEAREST, 1, STEPS)]) * path.length
    z = (edges[1:] + edges[:-1]) / 2
    return z, path.cn2 * _shape(path, z) * np.diff(edges)


def _shape(path: Path, z: np.ndarray) -> np.ndarray:
    """Return Cn2 at distances z [s] in m from the camera, over that at the camera."""
    if path.profile == "slant":
        return np.asarray((1 + path.height / CAMERA_HEIGHT * z / path.length) ** (-4 / 3))
    if path.profile == "roof":
        return np.exp(-z / ROOF_HEIGHT)
    if path.profile == "zenith":
        free, free_height, high, wind, scale, high_height, ground = HUFNAGEL_VALLEY
        above = free * np.exp(-z / free_height)
        above += high * wind**2 * (scale * z) ** 10 * np.exp(-z / high_height)
        return np.asarray(np.exp(-z / ground) + above / path.cn2)
    return np.ones_like(z)
