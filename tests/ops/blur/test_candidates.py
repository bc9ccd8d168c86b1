"""Candidates scale with the optics, and hold no blur as well."""

import numpy as np
import pytest

from burst.ops.blur.candidates import (
    FINEST,
    FREQUENCY,
    STRENGTHS,
    candidates,
    half_height,
    transfer_of,
    variation_of,
)  # fmt: skip
from burst.ops.blur.psf import short_exposure
from burst.ops.blur.weigh import half_of


def test_the_last_candidate_is_no_blur():
    blurs = candidates(1.0)
    assert blurs.none.nonzero()[0].tolist() == [len(blurs.none) - 1]
    assert blurs.half[-1] == FINEST
    assert (blurs.transfer[-1] == 1).all()


def test_transfer_functions_fall_from_one():
    curves = candidates(1.0).transfer
    assert curves[:, 0] == pytest.approx(1)
    assert (np.diff(curves, axis=1) < 0.02).all()


def test_coarser_pixels_see_less_of_the_blur():
    fine, coarse = (half_height(transfer_of(2.09, s, 0.0, FREQUENCY)) for s in (0.8, 1.6))
    assert coarse == pytest.approx(2 * fine, rel=0.02)


def test_a_candidate_is_as_wide_as_the_psf_of_its_air():
    strength = STRENGTHS[11]
    psf = short_exposure(strength, 1.0, 0.0, 33)
    curve = transfer_of(strength, 1.0, 0.0, FREQUENCY)
    assert half_height(curve) == pytest.approx(half_of(psf), rel=0.05)


def test_without_air_frames_do_not_vary():
    assert (variation_of(0.0, 1.0, FREQUENCY) == 0).all()


def test_strong_air_varies_more():
    weak, strong = (variation_of(a, 1.0, FREQUENCY)[8:20] for a in (1.17, 3.08))
    assert (strong > 3 * weak).all()
