"""The curve for arrays is the curve for tensors."""

import numpy as np
import torch

from burst.files import srgb
from burst.ops import color

RAMP = np.linspace(-0.2, 1.2, 1001)


def test_both_definitions_agree() -> None:
    tensor = torch.from_numpy(RAMP)
    for name in ("linear_to_display", "display_to_linear"):
        expected = getattr(color, name)(tensor).numpy()
        np.testing.assert_allclose(getattr(srgb, name)(RAMP), expected, atol=1e-12)


def test_there_and_back_is_the_identity() -> None:
    inside = np.linspace(0, 1, 1001)
    back = srgb.display_to_linear(srgb.linear_to_display(inside))
    np.testing.assert_allclose(back, inside, atol=1e-6)
