"""Noise is taken out by an example of it; detail stays."""

from __future__ import annotations

import torch

from burst.ops.gathering.shrink import shrink


def noise(seed, shape=(3, 60, 70)):
    return 0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_without_noise_an_image_stays():
    image = torch.rand((3, 60, 70), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shrink(image, torch.zeros_like(image), 1.0), image)


def test_noise_alone_nearly_vanishes():
    clean = shrink(noise(1), noise(2), 1.0)
    assert float(clean.std()) < 0.4 * 0.05


def test_a_strong_edge_stays():
    image = torch.zeros(1, 64, 64)
    image[..., 32:] = 1
    clean = shrink(image + noise(3, image.shape), noise(4, image.shape), 1.0)
    assert float((clean - image)[..., 28:36].abs().mean()) < 0.04
    assert float(clean[0, :, 32].mean() - clean[0, :, 31].mean()) > 0.85


def test_bands_do_not_show():
    image, example = noise(5, (1, 900, 40)), noise(6, (1, 900, 40))
    clean = shrink(image, example, 1.0)
    alone = shrink(image[:, 300:], example[:, 300:], 1.0)
    torch.testing.assert_close(clean[:, 384:780], alone[:, 84:480], atol=5e-3, rtol=0)


def test_beside_a_slanted_edge_little_noise_is_left():
    y, x = torch.arange(256.0)[:, None], torch.arange(64.0)
    off = x - 32 - (y - 128) / 10
    image = off.clamp(0, 1)[None]
    left = shrink(image + noise(3, image.shape), noise(4, image.shape), 1.0) - image
    beside = (off.abs() > 2) & (off.abs() < 5)
    assert float(left[0, beside].square().mean().sqrt()) < 0.25 * 0.05
