"""Discs and surfaces are followed, and frames are cut around them."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import planet_stack

from burst.ops.frames.track import (
    cut_out,
    find_discs,
    judge_discs,
    surface_shifts,
    track_discs,
    track_surface,
)
from burst.records import Sensor, Stack, Track


def discs(centres: list[tuple[float, float]], radius: float = 15.0, phase: float = 2.0):
    """Return noisy frames [n, 96, 128] of discs; a phase below 1 makes crescents."""
    draw = np.random.default_rng(1)
    y, x = np.mgrid[:96, :128]
    frames = draw.normal(200, 5, (len(centres), 96, 128))
    for frame, (right, down) in zip(frames, centres, strict=True):
        far = np.hypot(x - right, y - down) < radius
        dark = np.hypot(x - right - phase * radius, y - down) < radius
        frame[far & ~dark] += 2000
    return frames.round().astype(np.uint16)


def test_discs_are_found_where_they_are():
    centres = [(40.0, 50.0), (80.0, 30.0), (60.25, 45.75)]
    np.testing.assert_allclose(find_discs(discs(centres)).centre, centres, atol=0.6)


@pytest.mark.parametrize(
    ("place", "why"),
    [((300, 300), "no disc is seen"), ((10, 40), "border cuts"), ((128, 40), "border cuts")],
)
def test_frames_without_a_whole_disc_are_left_out(place, why):
    reasons = judge_discs(find_discs(discs([(40, 40), (60, 40), (70, 40), place])))
    assert list(reasons) == [3]
    assert why in reasons[3]


def test_a_disc_of_another_size_is_left_out():
    frames = np.concatenate([discs([(40, 40), (60, 40), (70, 40)]), discs([(50, 50)], 25)])
    assert "not as large" in judge_discs(find_discs(frames))[3]


def test_a_disc_behind_clouds_is_left_out():
    frames = discs([(40, 40), (60, 40), (70, 40), (50, 40)])
    frames[3] = 200 + (frames[3].astype(int) - 200).clip(0) // 8
    assert list(judge_discs(find_discs(frames))) == [3]


def test_crescents_are_followed():
    found = find_discs(discs([(40, 40), (60, 40), (70, 40)], phase=0.9))
    assert judge_discs(found) == {}


def test_hot_pixels_are_no_discs():
    frames = discs([(40, 40), (60, 40), (70, 40)])
    frames[:, 5, 100] = 60000
    np.testing.assert_allclose(find_discs(frames).centre[:, 0], (40, 60, 70), atol=0.6)


def test_a_surface_is_no_disc():
    frames = np.random.default_rng(0).normal(2000, 300, (6, 96, 128)).astype(np.uint16)
    assert judge_discs(find_discs(frames)) is None


def test_a_cut_out_beyond_the_border_shows_the_sky_of_the_other_side():
    frames = np.arange(3 * 20 * 20, dtype=np.uint16).reshape(3, 20, 20)
    track = Track(((-2, 0), (0, 0), (5, 6)), (10, 10))
    cut = cut_out(Stack(frames, Sensor(0, 4095)), track).frames
    np.testing.assert_array_equal(cut[0, :, 2:], frames[0, :10, :8])
    np.testing.assert_array_equal(cut[0, :, :2], frames[0, :10, 18:])
    np.testing.assert_array_equal(cut[2], frames[2, 6:16, 5:15])


def test_the_disc_lies_in_the_middle_of_its_cut_out():
    made = planet_stack(drift=60.0)
    found = find_discs(made.stack.frames)
    kept = np.arange(24)
    track = track_discs(found, kept, (96, 144), 0.33)
    middle = (track.size[0] - 1) / 2
    np.testing.assert_allclose(track.centre, middle, atol=0.6)
    truth = made.corner + made.side / 2 - 0.5
    error = np.array(track.corner) + np.array(track.centre) - truth
    assert error.std() < 2.5  # the air displaces the disc
    assert max(track.size) < 96


def surface(shifts: np.ndarray) -> np.ndarray:
    """Return frames [n, 96, 128] of a rough surface that is shifted."""
    import cv2

    scene = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 1, (400, 600)), (0, 0), 2.5)
    scene = 1000 + 2000 * (scene - scene.min()) / np.ptp(scene)
    cut = [scene[150 - y : 246 - y, 250 - x : 378 - x] for x, y in shifts]
    return np.array(cut).astype(np.uint16)


def test_a_surface_is_followed_beyond_a_frame():
    shifts = np.stack([np.linspace(0, 140, 20), np.linspace(0, -60, 20)], 1).round().astype(int)
    found, clear = surface_shifts(surface(shifts))
    assert clear.all()
    np.testing.assert_allclose(found, shifts, atol=1.5)  # alignment does the rest


def test_frames_of_a_surface_are_cut_to_the_part_that_all_show():
    shifts = np.stack([np.linspace(0, 40, 20), np.zeros(20)], 1).round().astype(int)
    frames = surface(shifts)
    track, reasons = track_surface(*surface_shifts(frames), (96, 128))
    cut = cut_out(Stack(frames, Sensor(0, 4095)), track).frames.astype(float)
    assert not reasons
    assert track.size[1] == pytest.approx(88, abs=2)
    rough = np.abs(cut - cut[0]).mean() / cut[0].std()
    assert rough < 0.5


def test_a_surface_at_rest_is_not_cut():
    shifts = np.random.default_rng(0).integers(-2, 3, (10, 2))
    assert track_surface(*surface_shifts(surface(shifts)), (96, 128)) is None


def test_frames_that_show_another_part_are_left_out():
    shifts = np.zeros((12, 2), int)
    shifts[4:8, 0] = 90
    track, reasons = track_surface(shifts.astype(float), np.ones(12, bool), (96, 128))
    assert set(reasons) == {4, 5, 6, 7}
    assert track.size[1] == 64


def test_colours_and_what_was_measured_are_cut_alike():
    stack = planet_stack(drift=60.0).stack
    colour = np.repeat(stack.frames[..., None], 3, axis=-1)
    stack = replace(stack, colour=colour, measured=stack.frames > 0)
    track = track_discs(find_discs(stack.frames), np.arange(24), (96, 144), 0.33)
    cut = cut_out(stack, track)
    np.testing.assert_array_equal(cut.colour[..., 2], cut.frames)
    np.testing.assert_array_equal(cut.measured, cut.frames > 0)
