"""Artefacts are found where they are put, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from burst.data.scenes import read_scene
from burst.measure.artefacts import find_artefacts
from burst.measure.suites.footage import MOST_CLIPPED, MOST_LATTICE, MOST_RINGING
from burst.ops.alignment.registration import smooth


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    return smooth(image[None, None], sigma)[0, 0]


@pytest.fixture(scope="module")
def pair():
    """Return a scene and the merged image of it, with a little noise."""
    scene = 0.1 + 0.8 * read_scene("camera")[40:296, 60:316]
    noise = torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))
    return scene, blurred(scene, 1.5) + 0.001 * noise


def test_a_good_result_is_steeper_and_has_no_artefacts(pair):
    found = find_artefacts(*pair)
    assert found.sharpness > 1.3
    assert found.ringing < MOST_RINGING
    assert found.lattice < MOST_LATTICE
    assert found.clipped == 0


def test_the_merged_image_itself_has_none(pair):
    found = find_artefacts(pair[1], pair[1])
    assert (found.ringing, found.clipped) == (0, 0)
    assert found.lattice == pytest.approx(0, abs=1e-3)
    assert found.sharpness == pytest.approx(1)


def test_an_image_deblurred_too_much_rings(pair):
    _, merged = pair
    # Inverse filtering for a Gaussian much wider than it was.
    h, w = merged.shape
    u, v = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None]
    transfer = torch.exp(-2 * (torch.pi * 3.0) ** 2 * (u**2 + v**2))
    spectrum = torch.fft.rfft2(merged) * transfer / (transfer**2 + 1e-3)
    assert find_artefacts(torch.fft.irfft2(spectrum, s=(h, w)), merged).ringing > MOST_RINGING


def test_a_lattice_is_a_peak_of_the_spectrum(pair):
    scene, merged = pair
    x = torch.arange(scene.shape[1])
    grid = 0.02 * torch.cos(2 * torch.pi * 0.31 * x)[None]
    assert find_artefacts(scene + grid, merged).lattice > MOST_LATTICE


def test_clipped_parts_are_counted(pair):
    scene, merged = pair
    assert find_artefacts(scene - 0.3, merged).clipped > MOST_CLIPPED
