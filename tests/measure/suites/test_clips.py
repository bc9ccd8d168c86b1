"""Drawn clips are straightened by the program, and what is gained stands in the table."""

from __future__ import annotations

import numpy as np
import pytest

from burst.measure.suite import Options, find_suite
from burst.measure.suites.clips import ClipCase, bending, measure


def test_a_clip_comes_closer_to_the_truth() -> None:
    case = ClipCase("small", "", (96, 128), 30, 0.8, pan=60.0, shake=6.0)
    found = measure(case)
    assert found["psnr_after"] > found["psnr_before"] + 2
    assert found["bent_after"] < found["bent_before"]
    table = find_suite("clips").tables(
        [{"case": {"name": "small", "readout": 0.8, "scan": "top"}, **found}]
    )
    assert "| small |" in table


def test_lines_that_bend_are_measured() -> None:
    scene = np.random.default_rng(1).normal(size=(160, 200)).cumsum(1)
    bent = np.stack([np.roll(line, round(6 * np.sin(k / 25))) for k, line in enumerate(scene)])
    assert bending(scene, scene) == pytest.approx(0, abs=0.01)
    assert bending(bent, scene) > 1


def test_cases_are_drawn_from_each_video() -> None:
    names = [case.name for case in find_suite("clips").cases(Options(images=("a/x.mp4", "y.mp4")))]
    assert len(names) == 7
    assert names[-1] == "1080p"
