"""The width of the sharpest edges is that of the blur."""

import math

import numpy as np
import pytest
import torch

from burst.ops.blur import witnesses
from burst.ops.blur.candidates import candidates
from burst.ops.blur.edges import Edges, measure_edges, width_behind
from burst.ops.blur.psf import blur, radial_kernel

BLURS = candidates(1.0)
QUIET = 1e-5


def squares(size: int = 128, angle: float = 0.1) -> torch.Tensor:
    """Return four dark squares [size, size], turned by an angle, averaged over pixels."""
    fine = (torch.arange(4 * size) + 0.5) / 4 - size / 2
    x = fine[None] * math.cos(angle) + fine[:, None] * math.sin(angle)
    y = fine[:, None] * math.cos(angle) - fine[None] * math.sin(angle)
    dark = ((x.abs() - size / 4).abs() < size / 8) & ((y.abs() - size / 4).abs() < size / 8)
    drawn = torch.where(dark, 0.2, 0.7)
    return torch.nn.functional.avg_pool2d(drawn[None, None], 4)[0, 0]


def seen_through(number: int, image: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] through the blur of a number."""
    curve = torch.from_numpy(BLURS.transfer[number][:-1]).float()
    return blur(image[None], radial_kernel(curve, 49)[None])[0]


def number_of(half: float, static: float = 0.0) -> int:
    """Return the number of a blur of a half height at the sampling told."""
    off = np.abs(np.log(BLURS.half / half)) + 9 * (BLURS.static != static)
    return int((off + 9 * (BLURS.sampling != 1.0)).argmin())


@pytest.mark.parametrize("angle", [0.1, 0.6, 1.2])
@pytest.mark.parametrize(("half", "static"), [(0.07, 0), (0.1, 0), (0.15, 0), (0.12, 1.3)])
def test_a_step_is_as_wide_as_the_blur_leaves_it(half, static, angle):
    number = number_of(half, static)
    found = measure_edges(seen_through(number, squares(angle=angle)), QUIET)
    assert found is not None
    assert found.width == pytest.approx(width_behind(BLURS.transfer)[number], rel=0.07)


def test_a_sharp_step_is_as_wide_as_a_pixel_leaves_it():
    found = measure_edges(squares(), QUIET)
    assert found is not None
    assert found.width == pytest.approx(width_behind(BLURS.transfer)[BLURS.none][0], rel=0.07)


def test_noise_does_not_widen_a_step():
    seen = seen_through(number_of(0.1), squares())
    noise = torch.randn(seen.shape, generator=torch.Generator().manual_seed(0))
    plain, noisy = measure_edges(seen, QUIET), measure_edges(seen + 0.01 * noise, 0.01)
    assert plain is not None
    assert noisy is not None
    assert noisy.width == pytest.approx(plain.width, rel=0.1)


def test_noise_is_no_edge():
    noise = 0.5 + 0.01 * torch.randn(96, 96, generator=torch.Generator().manual_seed(0))
    assert measure_edges(noise, 0.01) is None


def test_a_flat_image_has_no_edge():
    assert measure_edges(torch.full((64, 64), 0.5), QUIET) is None


def test_strokes_are_no_steps():
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    grating = 0.5 + 0.3 * torch.sin((x + 0.2 * y) * 2 * math.pi / 7)
    assert measure_edges(grating, QUIET) is None


def test_blurs_wider_than_the_edges_are_excluded_and_narrower_ones_are_not():
    wide, right, narrow = number_of(0.07), number_of(0.1), number_of(0.13)
    width = float(width_behind(BLURS.transfer)[right])
    said = witnesses.of_edges(Edges(width, 100), False, BLURS)
    assert said is not None
    assert said[right] > said[narrow] > said[wide]


def test_without_edges_there_is_no_witness():
    assert witnesses.of_edges(None, False, BLURS) is None
