"""Small separable kernels."""

import pytest
import torch
from scipy import fft
from torch.nn import functional

from burst.ops import filters
from burst.ops.filters import box_mean, fast_length, gaussian_blur, separable, square_means


def test_it_is_the_convolution_along_both_axes():
    images = torch.rand(3, 20, 31, generator=torch.Generator().manual_seed(0))
    kernel = torch.tensor([0.0, 1.0, 4.0, 6.0, 3.0, 0.0, 2.0])
    expected = functional.conv2d(images[:, None], torch.outer(kernel, kernel)[None, None])[:, 0]
    assert torch.allclose(separable(images, kernel), expected, rtol=1e-5)


def test_every_image_is_filtered_alone():
    images = torch.rand(3, 12, 14, generator=torch.Generator().manual_seed(0))
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    together = separable(images, kernel)
    assert torch.equal(separable(images[1], kernel), together[1])


@pytest.mark.parametrize("side", [3, 9])
def test_a_box_takes_the_mean_of_what_lies_within_the_image(side):
    images = torch.rand(2, 13, 17, generator=torch.Generator().manual_seed(0))
    expected = functional.avg_pool2d(images, side, 1, side // 2, count_include_pad=False)
    torch.testing.assert_close(box_mean(images, side), expected)


@pytest.mark.parametrize("side", [1, 2, 4, 20])
def test_a_square_takes_the_mean_of_what_lies_in_it(side):
    images = torch.rand(2, 3, 13, 16, generator=torch.Generator().manual_seed(0))
    expected = functional.avg_pool2d(images, side, ceil_mode=True, count_include_pad=False)
    found = square_means(images, side)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous()


def test_a_gaussian_spreads_a_point_by_its_variance_and_keeps_what_is_flat():
    point = torch.zeros(1, 41, 41)
    point[0, 20, 20] = 1
    profile = gaussian_blur(point, 2.5)[0].sum(0)
    assert float(profile @ (torch.arange(41) - 20.0).square()) == pytest.approx(2.5**2, rel=0.03)
    for edges in ("reflect", "replicate"):
        assert torch.allclose(gaussian_blur(torch.ones(1, 12, 9), 1.0, edges), torch.ones(1, 12, 9))


@pytest.mark.parametrize("rows", [3, 16, 17, 40])
def test_bands_join_to_what_the_whole_image_gives(monkeypatch, rows):
    monkeypatch.setattr(filters, "BAND", 16)
    image = torch.rand(rows, 9, generator=torch.Generator().manual_seed(0))

    def around(part):
        padded = functional.pad(part[None], (2,) * 4, mode="reflect")[0]
        return padded[4:, 2:-2] - padded[:-4, 2:-2], padded[2:-2, 4:]

    for one, other in zip(filters.by_bands(around, image, 2), around(image), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_fast_length_is_the_next_product_of_2_3_and_5():
    lengths = range(1, 700)
    assert [fast_length(n) for n in lengths] == [fft.next_fast_len(n, real=True) for n in lengths]
