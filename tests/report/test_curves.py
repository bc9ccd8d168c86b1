from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from marks import marks_of

from burst.records import Burst, Report, Stack
from burst.report import curves
from burst.report.plot import Drawing, Line, Points


def test_kept_and_dropped_frames_are_drawn_apart(burst: Burst) -> None:
    drawing = curves.draw_scores(burst)
    assert drawing is not None
    drawn = {mark.label: np.asarray(mark.x) for mark in marks_of(drawing, Points)}
    assert list(drawn["kept"]) == [0, 2, 3, 5]
    assert list(drawn["dropped"]) == [1, 4, 6, 7]
    assert "4 of 8 frames are kept" in drawing.caption


def test_the_noise_fit_passes_through_the_points_it_was_fitted_to(burst: Burst) -> None:
    drawing = curves.draw_noise(burst)
    assert drawing is not None
    (points,), (line,) = marks_of(drawing, Points), marks_of(drawing, Line)
    fit = np.interp(np.asarray(points.x), np.asarray(line.x), np.asarray(line.y))
    np.testing.assert_allclose(fit, np.asarray(points.y), rtol=1e-9)


def test_the_structure_function_names_the_strength_of_the_turbulence(burst: Burst) -> None:
    drawing = curves.draw_structure(burst)
    assert drawing is not None
    assert "D/r0 = 2.90" in drawing.caption


def test_each_witness_of_the_blur_is_drawn(burst: Burst) -> None:
    falling = np.linspace(1, 0, 33).tolist()
    told = {
        "source": "witnesses",
        "half_height_believed": 0.25,
        "half_height_error": 0.1,
        "witnesses": {
            "frequency": (np.arange(33) / 64).tolist(),
            "motion": falling,
            "variation": falling,
            "believed": falling,
        },
    }
    report = burst.report.begin("other", {})
    entries = [replace(e, numbers=told) if e.stage == "blur" else e for e in report.entries]
    drawing = curves.draw_witnesses(replace(burst, report=Report(tuple(entries))))
    assert drawing is not None
    labels = [line.label for line in marks_of(drawing, Line)[:4]]
    assert labels == ["motion", "variation", "all together", "undone"]
    assert "0.250 cycles per pixel, within a factor of 1.11" in drawing.caption
    assert "The motion alone would mislead" in drawing.caption


def test_no_blur_is_told(burst: Burst) -> None:
    curve = np.ones(33).tolist()
    witnesses = {"frequency": (np.arange(33) / 64).tolist(), "believed": curve}
    told = {
        "source": "none", "half_height_believed": 0.9, "half_height_error": 0.1,
        "witnesses": witnesses,
    }  # fmt: skip
    entries = [replace(e, numbers=told) if e.stage == "blur" else e for e in burst.report.entries]
    drawing = curves.draw_witnesses(replace(burst, report=Report(tuple(entries))))
    assert drawing is not None
    assert drawing.caption.startswith("No blur is undone.")


def test_the_width_of_a_gaussian_psf_is_stated(burst: Burst) -> None:
    drawing = curves.draw_psf(burst)
    assert drawing is not None
    # The one width that the facts state, too.
    assert "1.50 px wide (std)" in drawing.caption


def test_the_readout_is_drawn_with_what_fits_nearly_as_well(burst: Burst) -> None:
    report = burst.report.begin("unroll", {}).note(
        readout_ratio=0.42,
        readout_range=[0.4, 0.45],
        readout={"ratio": [0.35, 0.4, 0.45], "misfit": [0.3, 0.1, 0.2]},
    )
    drawing = curves.draw_readout(replace(burst, report=report))
    assert drawing is not None
    assert "0.420 frame times" in drawing.caption
    assert "0.40 to 0.45" in drawing.caption


@pytest.mark.parametrize(
    "draw",
    [
        curves.draw_scores,
        curves.draw_noise,
        curves.draw_structure,
        curves.draw_witnesses,
        curves.draw_psf,
        curves.draw_readout,
    ],
)
def test_what_is_not_known_is_not_drawn(
    stack: Stack, draw: Callable[[Burst], Drawing | None]
) -> None:
    assert draw(Burst(stack)) is None


def test_scores_that_are_all_unknown_are_not_drawn(burst: Burst) -> None:
    report = Report().begin("select", {}).note(sharpness=[math.nan] * 8)
    assert curves.draw_scores(replace(burst, report=report)) is None


def test_a_psf_of_zeros_is_not_drawn(burst: Burst) -> None:
    assert curves.draw_psf(replace(burst, psf=torch.zeros(8, 15, 15))) is None
