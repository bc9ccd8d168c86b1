"""Frames that repeat, do not belong or are missing are found from how a recording moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from rolled import recording

from burst.ops.flow import to_bytes
from burst.ops.rolling.used_frames import (
    find_missing_frames,
    find_repeated_frames,
    find_used_frames,
)


def taken(frames: np.ndarray, times_known: bool = False):
    grey = to_bytes(torch.from_numpy(frames.astype(np.float32)))
    count = len(frames)
    return find_used_frames(grey, np.arange(float(count)), list(range(count)), times_known)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"swing": 20.0},
        {"shake": 0.8, "speed": 20.0},
        {"speed": 0.0, "object_speed": 350.0},
        {"speed": 0.0},
        {"speed": 700.0},
    ],
)
def test_nothing_is_left_out_of_a_good_recording(kind):
    found = taken(recording(frames=9, **kind).frames)
    assert (found.kept, found.left, found.unit, found.skipped) == (list(range(9)), {}, 1.0, {})
    assert found.start.tolist() == list(range(9))


SPOILT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "black": lambda frame: 0 * frame,
    "white": lambda frame: 0 * frame + 255,
    "upside down": lambda frame: frame[::-1],
    "torn": lambda frame: np.where(np.arange(128)[:, None] < 64, frame, 0),
    "flash": lambda frame: np.minimum(255, 2 * frame),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("frame", [1, 4])
def test_a_bad_frame_is_left_out(how, frame):
    frames = recording(frames=9, swing=12.0).frames.copy()
    frames[frame] = SPOILT[how](frames[frame])
    found = taken(frames)
    assert list(found.left) == [frame]
    assert found.start.tolist() == list(range(9))
    assert len(found.matches) == 7


def test_two_frames_of_something_else_are_left_out():
    frames = recording(frames=9, swing=12.0).frames.copy()
    frames[4:6] = frames[4:6, ::-1]
    assert list(taken(frames).left) == [4, 5]


def test_a_bad_frame_at_the_end_and_one_of_three():
    frames = recording(frames=9, swing=12.0).frames.copy()
    frames[8] = 0
    assert list(taken(frames).left) == [8]
    frames[8] = frames[7]
    frames[0] = SPOILT["flash"](frames[0])
    assert list(taken(frames).left) == [0]
    three = recording(frames=3).frames.copy()
    three[1] = three[1, :, ::-1]
    assert list(taken(three).left) == [1]


@pytest.mark.parametrize(
    ("order", "left", "unit"),
    [
        ([0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8], [4, 9], 1.25),
        ([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [1, 3, 5, 7, 9], 2.0),
        ([0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4], [1, 2, 4, 6, 7, 9], 2.5),
    ],
)
def test_a_lower_rate_is_found(order, left, unit):
    found = taken(recording(frames=9).frames[order])
    assert (list(found.left), found.unit) == (left, unit)
    np.testing.assert_allclose(found.start[found.kept], range(len(found.kept)))
    assert "repeats the frame before" in " ".join(found.words())
    # Times that are known stay.
    assert taken(recording(frames=9).frames[order], times_known=True).unit == 1


def test_a_frame_that_repeats_in_place_of_another_keeps_the_times():
    frames = recording(frames=9).frames[[0, 1, 2, 3, 3, 5, 6, 7, 8]]
    found = taken(frames)
    assert (list(found.left), found.unit) == ([4], 1.0)
    assert found.start.tolist() == list(range(9))
    assert found.skipped == {}


def test_nearly_the_same_counts_as_a_repeat():
    frames = recording(frames=9, swing=12.0).frames[[0, 1, 2, 3, 3, 4, 5]]
    noise = np.random.default_rng(0).normal(0, 0.4, frames.shape)
    assert find_repeated_frames((frames + noise).round().clip(0, 255).astype(np.uint8)) == [4]
    assert find_repeated_frames(np.stack([frames[0]] * 5)) == []


@pytest.mark.parametrize("gone", [1, 4, 6])
@pytest.mark.parametrize("kind", [{}, {"shake": 0.2}])
def test_a_frame_that_is_missing_shows_in_the_motion(gone, kind):
    frames = np.delete(recording(frames=9, **kind).frames, gone, axis=0)
    found = taken(frames)
    assert (found.left, found.skipped) == ({}, {gone - 1: 1})
    assert "1 may be missing" in next(found.words())
    assert taken(frames, times_known=True).skipped == {}


def test_a_shake_is_no_row_of_missing_frames():
    velocity = np.array([[5.0, 0], [10, 0], [5, 0], [10, 0], [5, 0], [10, 0], [5, 0]])
    assert find_missing_frames(velocity) == {}
    assert find_missing_frames(np.array([[5.0, 0], [5, 0], [15, 0], [5, 0], [5, 0]])) == {2: 2}
