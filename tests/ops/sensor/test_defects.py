"""Defects of every kind are found among moving scenes, and no scene is taken for one."""

import numpy as np
import pytest
import torch
from pretend import GPU, pretend
from scipy import special
from simulated import LEVELS, camera_scene, stack_of

from burst.data.defects import DEFECTS
from burst.ops.noise import fit_noise, lowest_linear, noise_curve, one_dn, to_linear
from burst.ops.sensor.defects import Defects, find_defects
from burst.records import Burst, Sensor, Stack
from burst.stages.noise import Config, run

SENSOR = Sensor(black_level=256, white_level=4095)
STATIC = [kind for kind in DEFECTS if kind != "wrong_black"]


def found_in(frames: np.ndarray, sensor: Sensor = SENSOR) -> Defects:
    """Return the defects of frames [n, h, w] DN, whose noise is measured first."""
    linear = to_linear(frames, sensor)
    curve = noise_curve(linear)
    return find_defects(linear, fit_noise(*curve, lowest_linear(sensor), one_dn(sensor)), sensor)


def recorded(scene: np.ndarray, electrons: float = 4000, frames: int = 24) -> np.ndarray:
    """Return frames [n, h, w] DN of a scene [h, w] that stands still."""
    generator = np.random.default_rng(0)
    counted = generator.poisson(np.broadcast_to(scene * electrons, (frames, *scene.shape)))
    read = counted + generator.normal(0, 4, counted.shape)
    return np.clip(np.rint(read * 3839 / electrons + 256), 0, 4095).astype(np.uint16)


def gathered(distance: np.ndarray, sigma: float) -> np.ndarray:
    """Return the light of a Gaussian line that pixels at a distance [k] gather."""
    begin, end = (special.erf((distance + side) / sigma / 2**0.5) for side in (-0.5, 0.5))
    return np.asarray(end - begin)


def star_field(sigma: float) -> np.ndarray:
    """Return stars [160, 160] of a Gaussian profile, gathered by square pixels."""
    generator = np.random.default_rng(5)
    sky, at = np.full((160, 160), 0.02), np.arange(160)
    for _ in range(60):
        centre, peak = generator.uniform(3, 157, 2), 10 ** generator.uniform(-2, 0)
        edges = [
            special.erf((at + side - c) / sigma / 2**0.5) for c in centre for side in (-0.5, 0.5)
        ]
        profile = np.outer(edges[1] - edges[0], edges[3] - edges[2])
        sky += peak * profile / profile.max()
    return sky.clip(0, 1)


def lines() -> np.ndarray:
    """Return a chart [128, 128] of lines of one pixel, some of them as wide as the frame."""
    chart = np.full((128, 128), 0.6)
    chart[::16], chart[100, 20:110], chart[20:110, 60] = 0.1, 0.05, 0.9
    return chart


def letters() -> np.ndarray:
    """Return small drawn letters and dots [128, 128] whose edges are as sharp as a pixel."""
    page = np.full((128, 128), 0.8)
    for number, row in enumerate(range(6, 120, 12)):
        for column in range(6, 120, 8):
            page[row : row + 7, column] = 0.05
            page[row + 3, column : column + 4] = 0.05
            page[row + 9 : row + 11, column : column + 1 + number % 3] = 0.05
    return page


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", STATIC)
def test_defects_are_found_where_the_scene_moves(kind, level):
    if (kind, level) == ("blinking", "very-high"):
        pytest.skip("its noise hides most of the blinking, and the image does not show it either")
    stack = stack_of(level).stack
    spoilt = DEFECTS[kind](stack.frames, 0)
    bad = torch.from_numpy((spoilt != stack.frames).any(0))
    hot = stack_of(level).truth.hot
    found = found_in(spoilt)
    # A pixel that blinks by less than the scene's edges about it move is left to the merge.
    assert float(found.mask[bad].float().mean()) >= (0.8 if kind == "blinking" else 0.97)
    assert int((found.mask & ~bad & ~hot).sum()) == 0


@pytest.mark.parametrize("value", [0, 700])
@pytest.mark.parametrize("side", [6, 8, 12])
@pytest.mark.parametrize("level", ["low", "very-high"])
def test_a_wide_square_that_never_changes_is_found_and_not_measured(level, side, value):
    frames = stack_of(level, 128, 20).stack.frames.copy()
    square = (slice(50, 50 + side), slice(70, 70 + side))
    frames[:, square[0], square[1]] = value
    defects = found_in(frames)
    assert bool(defects.mask[square].all())
    assert bool(defects.gaps[square].all())
    assert int(defects.mask.sum()) < side**2 + 10


def test_defects_are_counted_by_kind():
    frames = stack_of("low").stack.frames.copy()
    frames[:, 60:62, 50:52] = frames[:, 9] = frames[:, 100, 20] = 0
    frames[:, :, 30] = 700
    hot = int(stack_of("low").truth.hot.sum())
    assert found_in(frames).counts == {
        "pixels": 1 + hot, "clusters": 1, "rows": 1, "columns": 1
    }  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("frames", [30, 8])
def test_a_clean_stack_has_its_hot_pixels_and_nothing_else(level, frames):
    simulated = stack_of(level, frames=frames)
    assert torch.equal(found_in(simulated.stack.frames).mask, simulated.truth.hot)


@pytest.mark.parametrize("sigma", [0.6, 0.85, 1.2, 2.0])
def test_stars_of_a_telescope_that_tracks_are_no_defects(sigma):
    assert not found_in(recorded(star_field(sigma))).mask.any()


@pytest.mark.parametrize("scene", [lines, letters, lambda: camera_scene()[:128, :128].numpy()])
@pytest.mark.parametrize("electrons", [4000, 300])
def test_what_stands_still_and_is_sharp_is_no_defect(scene, electrons):
    assert not found_in(recorded(scene(), electrons)).mask.any()


@pytest.mark.parametrize("kind", ["dead_cluster", "stuck_rows", "stuck_columns", "blinking"])
def test_defects_are_found_where_all_stands_still(kind):
    clean = recorded(star_field(1.2))
    spoilt = DEFECTS[kind](clean, 0)
    bad = torch.from_numpy((spoilt != clean).any(0))
    found = found_in(spoilt)
    assert float(found.mask[bad].float().mean()) >= 0.97
    assert not found.mask[~bad].any()


def test_a_frozen_picture_of_a_codec_is_no_defect():
    frames = stack_of("low").stack.frames.copy()
    frames[:, 40:44, 80:84] = np.median(frames[:, 40:44, 80:84], axis=0)
    coded = Sensor(black_level=256, white_level=4095, transfer="srgb")
    hot = stack_of("low").truth.hot
    assert not (found_in(frames, coded).mask & ~hot).any()
    assert found_in(frames).mask[40:44, 80:84].all()


def test_darkness_that_is_cut_at_black_is_no_defect():
    scene = np.zeros((96, 96))
    scene[30:60, 20:70] = np.linspace(0, 0.5, 50)
    sensor = Sensor(black_level=0, white_level=4095)
    frames = np.clip(recorded(scene).astype(int) - 256, 0, 4095).astype(np.uint16)
    assert not found_in(frames, sensor).mask.any()


def dead_rows(frames: np.ndarray) -> np.ndarray:
    """Return frames with six dead rows, too many to be mended."""
    spoilt = frames.copy()
    spoilt[:, 60:66] = 0
    return spoilt


@pytest.mark.parametrize("kind", ["dead_cluster", "stuck_rows", "blinking", "dead_rows"])
def test_a_gpu_finds_the_same(kind):
    moving, still = stack_of("low").stack.frames, recorded(star_field(1.2))
    for clean in (moving, still):
        spoilt = dead_rows(clean) if kind == "dead_rows" else DEFECTS[kind](clean, 0)
        with pretend():
            far = run(Burst(Stack(spoilt, SENSOR), "cuda:0"), Config())
            assert far.linear.device == GPU
            found = None if far.valid is None else far.valid[0].cpu()
            values = far.linear.cpu()
        near = run(Burst(Stack(spoilt, SENSOR)), Config())
        assert (found is None) == (near.valid is None) == (kind != "dead_rows")
        assert found is None or torch.equal(found, near.valid[0])
        torch.testing.assert_close(values, near.linear, rtol=0, atol=1e-6)
