"""Variants differ from the pipeline in what they say, and share the rest."""

from __future__ import annotations

import pytest

from burst.measure.stacks import Case
from burst.measure.suite import Options
from burst.measure.suites.ablation import AS_IT_IS, VARIANTS, gains, measure
from burst.pipeline import load

CASE = Case("camera", "low", 0, 16, 128)


CHOSEN = (
    AS_IT_IS,
    "align: displacement known",
    "blur: PSF known",
    "deconvolve: twice the prior",
    "deconvolve: left out",
)


@pytest.fixture(scope="module")
def record():
    """Return the scores of some variants."""
    chosen = [variant for variant in VARIANTS if variant.name in CHOSEN]
    return measure(Options("classical"), chosen, CASE)


def test_every_variant_is_scored(record):
    assert tuple(record["variants"]) == CHOSEN


def test_deconvolution_is_worth_something(record):
    assert gains([record])["deconvolve: left out"] < -1


def test_a_change_changes_the_image(record):
    assert gains([record])["align: displacement known"] > 0
    assert gains([record])["blur: PSF known"] != 0
    assert gains([record])["deconvolve: twice the prior"] != 0
    assert gains([record])[AS_IT_IS] == 0


@pytest.mark.parametrize("name", [CHOSEN[1], CHOSEN[3]])
def test_shared_stages_give_what_a_run_of_its_own_gives(record, name):
    variant = next(v for v in VARIANTS if v.name == name)
    alone = measure(Options("classical"), (variant,), CASE)
    assert alone["variants"][name] == record["variants"][name]


def test_all_variants_name_settings_that_exist():
    for variant in VARIANTS:
        known = [assignment.format(d_over_r0=2.0) for assignment in variant.settings]
        stages = {step.name for step in load("classical", known).steps}
        assert {*variant.without, *variant.known} <= stages
