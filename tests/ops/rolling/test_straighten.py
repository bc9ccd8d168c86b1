"""A frame is resampled where its pixels were read; what stands still and what is unknown stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rolled import known_of, recording, truth

from burst.ops.rolling.straighten import margins, resampled, straightening


def test_a_pan_is_straightened() -> None:
    sequence = recording(frames=3)
    known = known_of(sequence)
    found = straightening(known.frames, known.matches, known.times.start, 1, 0.8)
    frame = np.clip(sequence.frames[1], 0, 255).astype(np.uint8)
    (image,) = resampled([frame], found.displacement.numpy())
    true = 255 * truth(sequence, 1, 0.5).numpy()
    before, after = (np.abs(one - true)[10:-10, 16:-16].mean() for one in (frame, image))
    assert after < before / 4
    assert set(found.others) == {0, 2}


def test_small_displacements_are_errors_and_resample_nothing() -> None:
    plane = np.random.default_rng(1).integers(0, 255, (40, 60), np.uint8)
    (same,) = resampled([plane], np.full((2, 20, 30), 0.03))
    np.testing.assert_array_equal(same, plane)


def test_colour_planes_of_half_the_size_follow() -> None:
    x = np.arange(64.0)
    planes = [
        np.tile(2 * x, (48, 1)).astype(np.uint8),
        np.tile(4 * x[:32], (24, 1)).astype(np.uint8),
    ]
    moved = np.stack([np.full((24, 32), 2.0), np.zeros((24, 32))])
    luminance, colour = resampled(planes, moved)
    np.testing.assert_array_equal(luminance[:, 8:-12], planes[0][:, 12:-8])
    np.testing.assert_array_equal(colour[:, 8:-12], planes[1][:, 10:-10])


def test_an_edge_that_lacks_comes_from_a_neighbour_and_else_from_the_edge() -> None:
    plane, other = np.full((40, 60), 50, np.uint8), np.full((40, 60), 200, np.uint8)
    plane[:, -1] = 60
    moved = np.stack([np.full((40, 60), 5.0), np.zeros((40, 60))])
    (filled,) = resampled([plane], moved, [([other], np.zeros((2, 40, 60)))])
    assert (filled[:, 56:] == 200).all()
    (repeated,) = resampled([plane], moved)
    assert (repeated[:, 57:] == 60).all()
    assert margins(moved) == (0, pytest.approx(5 / 60))


def test_ten_bits_stay_below_white() -> None:
    plane = np.where(np.arange(60) % 6 < 3, 1023, 0)[None].repeat(40, 0).astype(np.uint16)
    moved = torch.full((2, 40, 60), 0.5).numpy()
    (image,) = resampled([plane], moved, white=1023)
    assert image.max() == 1023
