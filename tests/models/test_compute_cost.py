"""What a network computes is counted from its spec."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burst.models.compute_cost import compute_cost
from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec

SPEC = RestorerSpec(evidence=4, scalars=3, width=8, depths=(1, 1), head_width=8, prior_width=16)


def test_weights_are_those_of_the_network():
    weights = sum(weight.numel() for weight in Restorer(SPEC).parameters())
    assert compute_cost(SPEC, 32, 32).weights == weights


@pytest.mark.parametrize("blocks", ["naf", "attention"])
def test_four_times_the_pixels_are_four_times_the_work(blocks):
    spec = replace(SPEC, blocks=blocks)
    small, large = (compute_cost(spec, side, side) for side in (96, 192))
    assert large.restorer == pytest.approx(4 * small.restorer, rel=0.02)


def test_a_convolution_is_counted_by_hand():
    # Of the shallowest network: into the stem, out of it, and what its block adds.
    bare = compute_cost(replace(SPEC, depths=(0,), prior="none"), 64, 64)
    pixels = 32 * 32
    stem, last = 4 * SPEC.evidence * SPEC.width * 9, SPEC.width * 4 * 9
    assert bare.restorer == pixels * (stem + last)
    assert bare.prior == 0


def test_diffusion_is_the_dearest_prior_and_a_teacher_has_one_of_its_own():
    student, longer = (
        compute_cost(SPEC, 64, 64),
        compute_cost(replace(SPEC, diffusion_steps=8), 64, 64),
    )
    assert 0 < student.prior < longer.prior
    assert compute_cost(replace(SPEC, teacher=True), 64, 64).prior > 0
