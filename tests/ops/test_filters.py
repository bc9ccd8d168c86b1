"""Small separable kernels."""

import torch
from torch.nn import functional

from burst.ops.filters import separable


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
