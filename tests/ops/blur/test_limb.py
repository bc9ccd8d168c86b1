"""No more blur is undone than leaves the sky around a disc without a dark ring."""

import pytest
import torch

from burst.data.planets import draw_map, render
from burst.ops.blur.deconvolve import deconvolve
from burst.ops.blur.limb import find_sky, largest_power
from burst.ops.blur.psf import blur, short_exposure, soften
from burst.ops.sphere import Globe


def planet() -> torch.Tensor:
    """Return a planet [96, 96] with a bright limb."""
    surface = draw_map(torch.Generator().manual_seed(1), 128)
    return render(Globe(25.0, 0.05), surface, 0.2, torch.zeros(1), (96, 96))[0]


@pytest.mark.parametrize("right", [0.5, 0.8, 1.0])
def test_the_power_of_the_blur_is_found(right):
    psf = short_exposure(4.0, 1.0, 0.1, 33)
    blurred = blur(planet()[None], soften(psf, right)[None])[0]
    blurred = blurred + 1e-3 * torch.randn(
        blurred.shape, generator=torch.Generator().manual_seed(1)
    )
    sky = find_sky(blurred)
    power = largest_power(psf, sky, lambda psf: deconvolve(blurred, psf, 1e-6), 0.0)
    assert power == pytest.approx(right, rel=0.25)


def test_a_ring_in_the_sky_is_measured():
    image = planet()
    sky = find_sky(image)
    ring = (sky.distance > 2.5) & (sky.distance < 5.5)
    assert sky.ring_depth(image) == pytest.approx(0, abs=1e-3)
    assert sky.ring_depth(image - 0.05 * ring) == pytest.approx(0.05 / sky.light, rel=0.05)


def test_a_surface_has_no_sky():
    assert find_sky(0.5 + 0.1 * torch.rand((64, 64))) is None
