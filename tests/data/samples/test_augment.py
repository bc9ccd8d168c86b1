"""Views of a scene: random crop and scale, flips and turns."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from burst.data.samples.augment import draw_view
from burst.settings import ConfigError

RAMP = np.add.outer(np.arange(80.0), 100 * np.arange(96.0)).astype(np.float32)


def test_seed_decides_the_view():
    assert np.array_equal(draw_view(RAMP, 32, 5), draw_view(RAMP, 32, 5))
    assert not np.array_equal(draw_view(RAMP, 32, 5), draw_view(RAMP, 32, 6))


def test_view_has_the_side_that_is_asked_for():
    view = draw_view(RAMP, 32, 0)
    assert view.shape == (32, 32)
    assert view.dtype == np.float32


def test_small_scene_is_not_enlarged():
    assert draw_view(RAMP, 200, 0).shape == (80, 80)


def test_scale_lies_between_one_and_a_half():
    # A ramp's slope tells how many pixels of the scene one of the view covers.
    slopes = [np.abs(np.diff(draw_view(RAMP, 32, seed)[:, 0])).mean() for seed in range(40)]
    steps = [slope if slope < 50 else slope / 100 for slope in slopes]
    assert min(steps) == pytest.approx(1, abs=0.1)
    assert max(steps) == pytest.approx(2, abs=0.25)


def test_enlarged_view_is_softer_and_stays_within_the_scene():
    grain = np.random.default_rng(0).random((96, 96), np.float32)
    enlarged = draw_view(grain, 48, 0, (0.6, 0.6))
    whole = draw_view(grain, 48, 0, (1.0, 1.0))
    assert enlarged.shape == whole.shape
    assert np.abs(np.diff(enlarged)).mean() < 0.75 * np.abs(np.diff(whole)).mean()
    assert grain.min() <= enlarged.min() <= enlarged.max() <= grain.max()


def test_flips_and_turns_occur():
    corners = {int(draw_view(RAMP, 32, seed).argmax()) for seed in range(30)}
    assert corners == {0, 31, 32 * 31, 32 * 32 - 1}


def test_missing_package_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(ConfigError, match=r"pip install 'burst-restoration\[train\]'"):
        draw_view(RAMP, 32, 0)
