"""The oracle is above what does not know the truth, and below the truth."""

from __future__ import annotations

import pytest
import torch

from burst.measure.peers.baselines import registered_mean
from burst.measure.peers.oracle import fair_oracle, full_oracle, wiener
from burst.measure.scores import score
from burst.ops.blur.psf import blur, short_exposure


def test_wiener_undoes_a_blur():
    psf = short_exposure(1.0, 1.0, 0.0, 9)
    image = blur(torch.rand((1, 64, 64), generator=torch.Generator().manual_seed(0)), psf)
    blurred = blur(image, psf)[0]
    error = wiener(blurred, psf, 1e-3) - image[0]
    assert error.std() < 0.3 * (blurred - image[0]).std()


@pytest.mark.parametrize("ratio", [1e-4, 0.1])
def test_wiener_keeps_a_plain_grey(ratio):
    grey = torch.full((32, 32), 0.4)
    restored = wiener(grey, short_exposure(2.0, 1.0, 0.0, 9), ratio)
    assert torch.allclose(restored, grey, atol=1e-5)


def test_what_is_known_more_helps_more(trace, simulated):
    burst, truth = trace.after["noise"], simulated.truth
    merged = score(registered_mean(trace.after["align"]), truth.scene).psnr
    fair = score(fair_oracle(burst, truth), truth.scene).psnr
    full = score(full_oracle(burst, truth), truth.scene).psnr
    assert merged < fair < full
