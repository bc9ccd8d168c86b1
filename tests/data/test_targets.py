"""A coded target decodes without error when clean, and loses its smallest discs first."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from burst.data.targets import area_under_curve, decode, draw_target, find_shift
from burst.ops.filters import gaussian_blur
from burst.ops.warp import warp


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    return gaussian_blur(image[None], sigma)[0]


@pytest.fixture(scope="module")
def target():
    return draw_target(271, generator(1))


def test_discs_have_the_published_sizes(target):
    sizes = [target.layout.diameters[target.layout.levels == level] for level in range(6)]
    assert [len(size) for size in sizes] == [1, 3, 9, 27, 81, 243]
    assert [size[0] for size in sizes] == pytest.approx([100, 50, 25, 12.5, 6.2, 3.1], abs=0.1)


def test_ink_covers_the_area_of_the_discs(target):
    drawn = target.layout.diameters[target.layout.bits]
    ink = (0.90 - target.image.double().numpy()).sum() / (0.90 - 0.04)
    assert ink == pytest.approx(math.pi / 4 * (drawn**2).sum(), rel=5e-3)


def test_discs_stay_in_their_quadrants(target):
    assert float(target.image[:24].min()) == pytest.approx(0.90)
    assert float(target.image.min()) == pytest.approx(0.04)


def test_same_seed_draws_the_same_target():
    one, two, other = (draw_target(64, generator(seed), 4) for seed in (3, 3, 4))
    assert torch.equal(one.image, two.image)
    assert not torch.equal(one.image, other.image)


@pytest.mark.parametrize("seed", range(5))
def test_clean_target_decodes_without_error(seed):
    target = draw_target(271, generator(seed))
    read = decode(target.image, target.layout)
    assert read.share == 1
    assert all(auc == 1 or math.isnan(auc) for auc in read.auc)


def test_gain_and_offset_do_not_matter(target):
    assert decode(0.1 + 0.2 * target.image, target.layout).share == 1


def test_uneven_light_does_not_matter(target):
    light = torch.linspace(0.3, 1, 271)[None, :]
    assert decode(light * target.image, target.layout).share == 1


@pytest.mark.parametrize(("dx", "dy"), [(1.3, -0.4), (-2, 2), (0.25, 0)])
def test_shift_is_found_and_allowed_for(target, dx, dy):
    flow = torch.tensor([-dx, -dy])[None, :, None, None].expand(1, 2, 271, 271)
    moved = warp(target.image[None], flow)[0]
    assert find_shift(moved.double().numpy(), target.layout) == pytest.approx([dx, dy], abs=0.05)
    assert decode(moved, target.layout).share == 1


def test_blur_takes_the_smallest_discs_first(target):
    mild, strong = (decode(blurred(target.image, sigma), target.layout) for sigma in (2.5, 6.0))
    assert mild.shares[:4] == (1, 1, 1, 1)
    assert mild.shares[5] < mild.shares[4] <= 1
    assert strong.shares[0] == 1
    assert strong.shares[4] < mild.shares[4]
    assert strong.auc[5] < mild.auc[5] < 1


def test_noise_takes_the_smallest_discs_first(target):
    noise = torch.randn(target.image.shape, generator=generator(2))
    mild, strong = (decode(target.image + std * noise, target.layout) for std in (0.8, 1.6))
    assert mild.shares[:4] == (1, 1, 1, 1)
    assert mild.shares[5] < mild.shares[4]
    assert strong.shares[5] < mild.shares[5]
    assert strong.auc[5] < mild.auc[5] < 1


def test_pure_white_has_no_bits(target):
    read = decode(torch.ones(271, 271), target.layout)
    assert not read.bits.any()
    assert read.auc[1:] == (0.5,) * 5


def test_noise_on_plain_paper_is_no_bit(target):
    paper = 0.9 + 1e-3 * torch.randn((271, 271), generator=generator(3))
    paper[:, :90] = 0.04
    away = (target.layout.centres[:, 0] > 150) & (target.layout.levels > 2)
    assert not decode(paper, target.layout).bits[away].any()


def test_random_images_have_half_the_area_under_the_curve():
    curves = []
    for seed in range(12):
        target = draw_target(128, generator(seed), 5)
        image = torch.rand((128, 128), generator=generator(100 + seed))
        curves.append(decode(image, target.layout).auc[-1])
    assert np.mean(curves) == pytest.approx(0.5, abs=0.05)


def test_area_under_curve_counts_ties_half():
    positive = np.array([True, True, False, False])
    assert area_under_curve(np.array([2.0, 1.0, 1.0, 0.0]), positive) == pytest.approx(7 / 8)
    assert math.isnan(area_under_curve(np.zeros(2), np.array([True, True])))


def test_wrong_bits_are_flagged_by_a_true_deviation(target):
    deviation = torch.full_like(target.image, 0.05)
    deviation[100:] = 0.8
    noise = torch.randn(target.image.shape, generator=generator(5))
    # Errors of a disc are alike: noise of one deviation, blurred, has them.
    alike = blurred(noise, 1.5)
    noisy = target.image + deviation * alike / alike.std()
    known = decode(noisy, target.layout, deviation)
    assert known.share < 1
    flat = decode(noisy, target.layout, torch.ones_like(deviation))
    assert known.flagged > max(0.7, flat.flagged + 0.05)
    assert decode(noisy, target.layout).certainty is None
    assert math.isnan(decode(target.image, target.layout, deviation).flagged)  # none is wrong
