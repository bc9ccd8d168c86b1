"""MTF from slanted edges and a Siemens star: known blur, noise, warp and overshoot."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from burst.data.charts import BRIGHT, DARK, EDGES, STAR, draw_chart, edges_of
from burst.measure.mtf import Mtf, edge_mtf, star_mtf

SIZE = 271


@pytest.fixture(scope="module")
def edges():
    return draw_chart(EDGES, SIZE).numpy().astype(np.float64)


@pytest.fixture(scope="module")
def star():
    return draw_chart(STAR, SIZE).numpy().astype(np.float64)


def expected(sigma):
    """Where the mean over a pixel and a Gaussian leave half."""
    f = np.linspace(0.001, 1, 10000)
    return f[(np.sinc(f) * np.exp(-2 * (np.pi * sigma * f) ** 2) < 0.5).argmax()]


def edge_mtf50(image):
    return edge_mtf(image, edges_of(SIZE)).mtf50


def test_charts_show_their_two_greys(edges, star):
    assert edges.min() == pytest.approx(DARK)
    assert edges.max() == pytest.approx(BRIGHT)
    assert star.max() == pytest.approx(BRIGHT, abs=0.01)
    assert edges.mean() == pytest.approx(BRIGHT - 4 * 0.09 * (BRIGHT - DARK), abs=1e-3)


def test_sharp_chart_has_the_transfer_of_its_pixels(edges, star):
    assert edge_mtf50(edges) == pytest.approx(0.603, abs=0.01)
    # Half is left only beyond what the star shows.
    assert star_mtf(star).mtf50 == pytest.approx(0.48, abs=0.01)


@pytest.mark.parametrize("sigma", [0.8, 1.2, 2.0])
def test_known_blur_is_found(edges, star, sigma):
    assert edge_mtf50(gaussian_filter(edges, sigma)) == pytest.approx(expected(sigma), rel=0.03)
    found = star_mtf(gaussian_filter(star, sigma)).mtf50
    assert found == pytest.approx(expected(sigma), rel=0.01)


def test_noise_is_no_sharpness(edges, star):
    noise = np.random.default_rng(0).normal(0, 0.03, edges.shape)
    assert edge_mtf50(gaussian_filter(edges, 1.2) + noise) == pytest.approx(expected(1.2), rel=0.04)
    found = star_mtf(gaussian_filter(star, 1.2) + noise).mtf50
    assert found == pytest.approx(expected(1.2), rel=0.04)


def test_smooth_warp_is_no_blur(edges, star):
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    bent = [y + np.sin(x / 40), x + np.cos(y / 40)]
    for image, mtf50 in ((edges, edge_mtf50), (star, lambda i: star_mtf(i).mtf50)):
        blurred = gaussian_filter(image, 1.2)
        warped = map_coordinates(blurred, bent, order=3, mode="nearest")
        assert mtf50(warped) == pytest.approx(mtf50(blurred), rel=0.06)


def test_overshoot_is_a_peak(edges):
    blurred = gaussian_filter(edges, 1.2)
    sharpened = blurred + 2 * (blurred - gaussian_filter(blurred, 2))
    assert edge_mtf(blurred, edges_of(SIZE)).peak == pytest.approx(1, abs=0.01)
    assert edge_mtf(sharpened, edges_of(SIZE)).peak > 1.1


def test_nothing_left_is_no_sharpness(edges, star):
    assert edge_mtf50(np.full_like(edges, 0.5)) == 0
    found = star_mtf(np.full_like(star, 0.5))
    assert found.mtf50 == found.frequencies[0]
    assert found.peak == pytest.approx(0, abs=1e-9)


def test_brightness_and_polarity_do_not_matter(edges):
    blurred = gaussian_filter(edges, 1.0)
    assert edge_mtf50(1 - 0.5 * blurred) == pytest.approx(edge_mtf50(blurred), rel=1e-6)


def test_transfer_that_never_falls_ends_at_its_last_frequency():
    f = np.array([0.1, 0.2, 0.3])
    assert Mtf(f, np.array([1.0, 0.9, 0.8])).mtf50 == 0.3
    assert Mtf(f, np.array([0.4, 0.3, 0.2])).mtf50 == 0.1
    assert Mtf(f, np.array([1.0, 0.6, 0.4])).mtf50 == pytest.approx(0.25)
