"""The display curve is sRGB, and its inverse undoes it."""

import pytest
import torch

from burst.ops.color import display_to_linear, linear_to_display, luminance


def test_there_and_back_is_the_identity() -> None:
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)
    torch.testing.assert_close(display_to_linear(linear_to_display(x)), x, atol=1e-6, rtol=0)
    torch.testing.assert_close(linear_to_display(display_to_linear(x)), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("linear", "display"), [(0, 0), (0.0031308, 0.04045), (0.2140, 0.5), (1, 1)]
)
def test_published_points_of_the_curve(linear: float, display: float) -> None:
    assert linear_to_display(torch.tensor(linear)).item() == pytest.approx(display, abs=1e-4)


def test_values_outside_are_clipped() -> None:
    x = torch.tensor([-1.0, 2.0])
    assert linear_to_display(x).tolist() == pytest.approx([0, 1])
    assert display_to_linear(x).tolist() == pytest.approx([0, 1])


def test_the_gradient_is_finite_at_black() -> None:
    x = torch.zeros(3, requires_grad=True)
    linear_to_display(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_white_has_luminance_one_and_grey_its_own() -> None:
    grey = torch.rand(2, 1, 4, 5).expand(2, 3, 4, 5)
    torch.testing.assert_close(luminance(grey), grey[:, 0])
