"""Frames that do not belong are found, those that merely move or are noisy are kept."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from simulated import LEVELS, stack_of

from burst.data.faults import apply_fault
from burst.measure.suites.sound import DisturbedStack, at_rest
from burst.ops.frames import flips, judge
from burst.ops.frames import screen as screen_module
from burst.ops.frames.agreement import compare
from burst.ops.frames.scene import small_views
from burst.ops.frames.screen import screen
from burst.records import Sensor

SENSOR = Sensor(black_level=256, white_level=4095)
GONE = (
    "dark",
    "white",
    "another_scene",
    "mirrored",
    "upside_down",
    "flash",
    "doubled",
    "half_read",
)


def frames_of(level: str = "medium", size: int = 128, frames: int = 20) -> np.ndarray:
    return stack_of(level, size, frames).stack.frames


def judged(frames: np.ndarray, strictness: float = 1.0):
    return screen(frames, SENSOR, strictness)


def moved(frames: np.ndarray, degrees, scales, drift: float = 0.0) -> np.ndarray:
    """Turn, enlarge and shift each frame, and cut its middle half out."""
    n, size = len(frames), frames.shape[1]
    cut = slice(size // 4, size // 4 + size // 2)
    result = []
    for i, frame in enumerate(frames):
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), degrees[i], scales[i])
        matrix[0, 2] += drift * (i / (n - 1) - 0.5)
        result.append(cv2.warpAffine(frame.astype(np.float32), matrix, (size, size))[cut, cut])
    return np.rint(np.array(result)).clip(0, 4095).astype(np.uint16)


def nothing_is_wrong(verdict, count: int) -> bool:
    whole = verdict.kept.tolist() == list(range(count)) and verdict.valid is None
    return whole and bool((verdict.gain == 1).all()) and not verdict.divided


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_clean_stacks_are_left_as_they_are(level, count):
    assert nothing_is_wrong(judged(frames_of(level)[:count]), count)


def test_frames_that_turn_grow_and_drift_are_kept():
    frames = frames_of("medium", 192, 24)
    generator = np.random.default_rng(0)
    angles, scales = generator.uniform(-10, 10, 24), generator.uniform(0.95, 1.05, 24)
    none, same = np.zeros(24), np.ones(24)
    assert len(judged(moved(frames, angles, scales)).kept) == 24
    assert len(judged(moved(frames, np.linspace(-10, 10, 24), same)).kept) == 24
    assert len(judged(moved(frames, none, same, drift=48)).kept) == 24
    few = np.where(np.arange(24) % 9 == 4, 10.0, 0.0)
    assert len(judged(moved(frames, few, same)).kept) == 24


@pytest.mark.parametrize("level", ["low", "very-high"])
@pytest.mark.parametrize("name", GONE)
def test_frames_that_do_not_belong_are_left_out(name, level):
    spoilt = apply_fault(name, frames_of(level), SENSOR, seed=3, share=0.2)
    verdict = judged(spoilt.frames)
    assert sorted(verdict.reasons) == spoilt.bad.tolist()
    assert set(verdict.kept.tolist()) == set(range(20)) - set(spoilt.bad.tolist())
    assert nothing_is_wrong(judged(spoilt.frames[verdict.kept.numpy()]), len(verdict.kept))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dark", "dark"),
        ("white", "saturated"),
        ("mirrored", "mirrored"),
        ("upside_down", "upside down"),
        ("another_scene", "does not agree with the others: another scene, torn, or covered"),
        ("doubled", "the same as frame"),
        ("flash", "a flash"),
    ],
)
def test_reasons_are_words(name, reason):
    verdict = judged(apply_fault(name, frames_of(), SENSOR, seed=3).frames)
    assert all(text.startswith(reason) for text in verdict.reasons.values())


@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize("name", ["dark", "another_scene", "mirrored"])
def test_a_short_burst_is_freed_of_its_bad_frame_too(name, count):
    spoilt = apply_fault(name, frames_of("low")[:count], SENSOR, seed=1)
    # Two frames of which one is mirrored are alike; of three, two are.
    assert sorted(judged(spoilt.frames).reasons) == spoilt.bad.tolist() or (
        name == "mirrored" and count == 3
    )


def test_two_scenes_of_one_size_are_told_and_kept():
    frames = np.concatenate([frames_of("low")[:8], frames_of("low")[8:16, ::-1].swapaxes(1, 2)])
    verdict = judged(np.ascontiguousarray(frames))
    assert verdict.divided
    assert len(verdict.kept) == 16


def test_torn_frames_are_left_out_or_good_in_part():
    spoilt = apply_fault("torn", frames_of("low"), SENSOR, seed=3, share=0.2)
    verdict = judged(spoilt.frames)
    assert set(spoilt.bad.tolist()) == set(verdict.reasons) | set(verdict.parts)


@pytest.mark.parametrize("image", ["chelsea", "coins"])
@pytest.mark.parametrize("row", [46, 60])
def test_torn_frames_are_told_where_the_upper_rows_are_few_and_calm(image, row):
    stack = at_rest(DisturbedStack("none", "none", image, "very-high", 5, 40, 192)).stack
    frames = stack.frames.copy()
    for i in (4, 11, 17):
        frames[i, row:] = np.roll(frames[i, row:], 29, axis=1)
    verdict = screen(frames, stack.sensor, 1.0)
    assert list(verdict.reasons) == [4, 11, 17]


@pytest.mark.parametrize("seed", [5, 6])
def test_a_scene_that_looks_like_its_mirror_image_loses_no_frame(seed):
    stack = at_rest(DisturbedStack("none", "none", "rocket", "very-high", seed, 40, 192)).stack
    assert nothing_is_wrong(screen(stack.frames, stack.sensor, 1.0), 40)


@pytest.mark.parametrize("seed", range(4))
def test_a_small_bird_before_something_bright_is_told(seed):
    frames = frames_of("medium").copy()
    # The brightest place of the scene.
    size = 11
    mean = cv2.blur(frames.mean(0), (size, size))[size:-size, size:-size]
    y, x = np.unravel_index(mean.argmax(), mean.shape)
    first = (y + size // 2, x + size // 2)
    part = (3 * seed + 2, *(slice(at, at + size) for at in first))
    frames[part] = 256 + (frames[part] - 256.0) / 20
    verdict = judged(frames)
    assert list(verdict.parts) == [part[0]]
    assert not verdict.reasons
    assert not bool(verdict.valid[part].any())


def test_a_bird_is_no_reason_to_leave_a_good_frame_out():
    spoilt = apply_fault("bird", frames_of("low"), SENSOR, seed=3)
    verdict = judged(spoilt.frames)
    assert set(verdict.reasons) | set(verdict.parts) <= set(spoilt.bad.tolist())


@pytest.mark.parametrize("name", ["flicker", "twilight", "bracket"])
def test_gains_are_measured(name):
    frames = frames_of("low")
    spoilt = apply_fault(name, frames, SENSOR, seed=3).frames
    light = [(x.astype(float) - 256).mean((1, 2)) for x in (spoilt, frames)]
    true = torch.from_numpy(np.log(light[0] / light[1]))
    verdict = judged(spoilt)
    error = verdict.gain.double().log() - true
    assert len(verdict.kept) == 20
    assert float((error - error.median()).abs().max()) < 0.02


def test_values_that_noise_saturates_change_no_gain():
    # A bright chart: in strong noise most pixels of a view hold a saturated value.
    bright = np.random.default_rng(0).random((16, 16)) < 0.8
    scene = np.kron(np.where(bright, 0.9, 0.05), np.ones((8, 8)))
    noise = np.random.default_rng(1).normal(0, 0.15, (60, 128, 128))
    frames = np.rint(256 + 3839 * (scene + noise)).clip(0, 4095).astype(np.uint16)
    assert (frames == 4095).mean() > 0.1
    assert nothing_is_wrong(judged(frames), 60)


def test_a_bracket_is_as_bright_as_its_longest_good_exposure():
    frames = frames_of("low")
    gain = np.where(np.arange(20) % 2, 0.5, 1.0)[:, None, None]
    darker = np.rint(256 + (frames - 256.0) * gain).clip(0, 4095).astype(np.uint16)
    assert float(judged(darker).gain.max()) == pytest.approx(1, abs=0.03)
    brighter = np.rint(256 + (frames - 256.0) * gain * 3).clip(0, 4095).astype(np.uint16)
    assert float(judged(brighter).gain.min()) == pytest.approx(1, abs=0.03)


def test_identical_frames_count_once():
    verdict = judged(apply_fault("identical", frames_of(), SENSOR).frames)
    assert verdict.kept.tolist() == [0]


def test_a_part_that_is_copied_counts_once():
    frames = frames_of().copy()
    frames[9, :40] = frames[8, :40]
    verdict = judged(frames)
    assert not bool(verdict.valid[9, :40].any())
    assert bool(verdict.valid[9, 40:].all())
    assert bool(verdict.valid[torch.arange(20) != 9].all())
    assert verdict.parts == {9: pytest.approx(40 / 128)}


def test_a_lower_strictness_keeps_more():
    spoilt = apply_fault("another_scene", frames_of(), SENSOR, seed=3)
    assert len(judged(spoilt.frames, 0.2).reasons) < len(judged(spoilt.frames).reasons)


@pytest.mark.parametrize("name", ["another_scene", "torn"])
def test_the_verdict_is_the_same_again(name):
    spoilt = apply_fault(name, frames_of()[:12], SENSOR, seed=3).frames
    first, second = judged(spoilt), judged(spoilt)
    assert first.reasons == second.reasons
    assert torch.equal(first.gain, second.gain)


@pytest.mark.parametrize(("frames", "left_out"), [([4], [4]), (range(20), [])])
def test_a_frame_that_misses_what_most_show_is_left_out(frames, left_out):
    measured = np.ones((20, 128, 128), bool)
    for number in frames:
        measured[number, :, 4 * number : 4 * number + 48] = False
    found = screen(frames_of(), SENSOR, 1.0, measured=measured)
    assert list(found.reasons) == left_out


def test_many_frames_are_judged_in_groups_whose_views_alone_are_in_memory(monkeypatch):
    made = []

    def views_of(frames, numbers, *rest):
        made.append(len(numbers))
        return small_views(frames, numbers, *rest)

    spoilt = apply_fault("another_scene", frames_of("low"), SENSOR, seed=3, share=0.2)
    together = judged(spoilt.frames)
    monkeypatch.setattr(judge, "MOST_TOGETHER", 10)
    monkeypatch.setattr(screen_module, "small_views", views_of)
    apart = judged(spoilt.frames)
    assert made == [10, 10]
    assert apart.kept.tolist() == together.kept.tolist()


@pytest.mark.parametrize("axes", [None, (2,)])
def test_frames_are_compared_with_their_flips_only_where_one_may_be_flipped(axes, monkeypatch):
    compared = []
    monkeypatch.setattr(flips, "compare", lambda *args: compared.append(1) or compare(*args))
    frames = np.repeat(frames_of("low")[:1], 8, 0)
    frames = frames + np.arange(8, dtype=np.uint16)[:, None, None]  # no copies of one another
    if axes:
        frames[3] = np.flip(frames[3:4], axes)[0]
    found = judged(frames).reasons
    assert (found, bool(compared)) == (({3: "mirrored"}, True) if axes else ({}, False))
