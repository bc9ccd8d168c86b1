"""Samples of other worlds: drawn by their shares, of the size asked for, and never too wild."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burst.data.faults import FRAME_FAULTS
from burst.data.histories import History
from burst.data.levels import find_level
from burst.data.samples import turbulence
from burst.data.samples.mix import NO_BLUR, Mix, World, draw_world, record_world
from burst.data.samples.turbulence import SampleKey, StackSampleSettings, make_sample
from burst.data.scenes import read_scene
from burst.data.turbulence import Camera
from burst.ops.turbulence.air import Air
from burst.ops.turbulence.layers import LayeredAir
from burst.settings import ConfigError, build
from burst.training.recipe import load_recipe

ALL = Mix(layers=0.6, still=0.2, optics=0.5, histories=0.5, faults=0.4, told=0.5, misled=0.5)
SMALL = StackSampleSettings(size=64, frames=(8, 10), pipeline="classical")
MEDIUM = find_level("medium").point()


def drawn(mix: Mix, count: int = 200):
    generator = torch.Generator().manual_seed(1)
    return [draw_world(mix, MEDIUM, generator) for _ in range(count)]


def test_without_other_worlds_no_random_number_is_taken():
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    world = draw_world(Mix(), MEDIUM, generator)
    assert torch.equal(generator.get_state(), before)
    assert world.conditions == MEDIUM


def test_worlds_come_by_their_shares():
    worlds = drawn(ALL)
    layered = [w for w in worlds if isinstance(w.air, LayeredAir)]
    still = [w for w in worlds if w.air.sampling == NO_BLUR]
    assert len(layered) == pytest.approx(120, abs=25)
    assert len(still) == pytest.approx(40, abs=18)
    others = [*layered, *still]
    for number, share in (
        (sum(w.camera.optics.defocus + w.camera.optics.pixel > 0 for w in others), 0.5),
        (sum(w.fault is not None for w in others), 0.4),
        (sum(w.told is None for w in others), 0.5),
        (sum(w.blur > 0 for w in layered) * len(others) / len(layered), 0.5),
    ):
        assert number / len(others) == pytest.approx(share, abs=0.12)


def test_ranges_are_kept():
    worlds = [w for w in drawn(ALL) if isinstance(w.air, LayeredAir)]
    assert all(0 < w.conditions.d_over_r0 <= 9 for w in worlds)
    assert all(0.5 <= w.air.sampling <= 2 and 3 <= w.air.outer_scale <= 300 for w in worlds)
    beams = [(1 - layer.width) / layer.separation for w in worlds for layer in w.air.layers]
    assert min(beams) >= 7.99
    assert max(beams) <= 200.01
    assert min(beams) < 20 < 100 < max(beams)
    assert {w.fault[0] for w in worlds if w.fault} <= set(FRAME_FAULTS)


def test_a_history_keeps_the_size_that_was_asked_for():
    generator = torch.Generator().manual_seed(5)
    scene = read_scene("camera")
    enlarged = [w for w in drawn(ALL) if w.history.enlarge > 1][:4]
    assert enlarged
    for world in enlarged:
        simulated = record_world(world, scene, 6, 97, generator)
        assert simulated.stack.frames.shape == (6, 97, 97)
        assert simulated.truth.scene.shape == (97, 97)
        assert world.told is None or simulated.stack.sensor.sampling == world.told


def test_bad_frames_are_among_the_good():
    world = replace(drawn(Mix(still=1.0))[0], fault=("dark", 0.2))
    simulated = record_world(world, read_scene("camera"), 10, 64, torch.Generator().manual_seed(2))
    brightness = simulated.stack.frames.mean((1, 2))
    assert (brightness < 0.6 * brightness.max()).sum() == 2


@pytest.mark.parametrize("index", range(2))
def test_samples_of_other_worlds_have_the_size_of_all(index):
    settings = replace(SMALL, mix=ALL)
    key = SampleKey("medium", index)
    sample = make_sample(key, settings, [["camera"]])
    assert sample.base.shape == sample.truth.shape == (64, 64)
    assert sample.planes.isfinite().all()
    assert sample.truth.isfinite().all()
    assert torch.equal(sample.planes, make_sample(key, settings, [["camera"]]).planes)


def test_display_encoded_samples_have_a_truth_that_is_encoded_alike(monkeypatch):
    world = World(MEDIUM, Camera(), Air(1.0), History(display=True))
    monkeypatch.setattr(turbulence, "draw_world", lambda *_: world)
    settings = replace(SMALL, targets=0.0)
    sample = make_sample(SampleKey("low", 0), settings, [["camera"]])
    error = (sample.base - sample.truth)[8:-8, 8:-8].square().mean().sqrt()
    # A truth in other units would be off by a quarter of the range.
    assert float(error) < 0.12


def test_a_recipe_mixes_worlds():
    recipe = load_recipe("worlds")
    assert recipe.samples.mix.layers + recipe.samples.mix.still == pytest.approx(0.5)
    assert load_recipe("student").samples.mix == Mix()
    assert recipe.tables()["samples"]["mix"]["layers"] == recipe.samples.mix.layers


def test_shares_come_to_one_at_most():
    with pytest.raises(ConfigError, match=r"expected shares of at most 1 together, found 1\.2"):
        build(Mix, {"layers": 0.7, "still": 0.5}, "mix")
