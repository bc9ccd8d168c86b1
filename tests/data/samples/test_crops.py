"""Crops and flips keep the time at which every row was read."""

from __future__ import annotations

import numpy as np
import pytest

from burst.data.samples.crops import crop, flip_columns, flip_rows
from burst.files.sequence import Sequence
from burst.records import Sensor, Shutter, StackError

ROWS, COLUMNS = slice(3, 11), slice(2, 14)
RNG = np.random.default_rng(0)


def make(kind: Shutter) -> Sequence:
    """Return four frames 20x24 with two truths, masks and flow, of a sensor of this shutter."""
    sensor = Sensor(shutter=kind, exposure_time=2e-3, row_time=1e-3, frame_time=0.04)
    scan = np.array([1, -1, 1, -1] if kind is Shutter.DUAL_REVERSED else [1] * 4, np.int8)
    return Sequence(
        RNG.integers(0, 4096, (4, 20, 24)).astype(np.uint16),
        sensor,
        scan,
        truths=RNG.integers(0, 4096, (2, 20, 24)).astype(np.uint16),
        truth_frame=np.array([0, 2]),
        truth_share=np.array([0.0, 0.5]),
        masks=RNG.random((2, 20, 24)) > 0.5,
        flow=RNG.normal(size=(2, 2, 2, 20, 24)).astype(np.float32),
    )


def times(sequence: Sequence) -> np.ndarray:
    """Return start and end of exposure [2, n, h]."""
    return np.stack([times.numpy() for times in sequence.exposures()])


@pytest.fixture(params=list(Shutter))
def sequence(request) -> Sequence:
    return make(request.param)


def test_a_crop_keeps_the_times_of_its_rows(sequence):
    part = crop(sequence, ROWS, COLUMNS)
    np.testing.assert_array_equal(times(part), times(sequence)[..., ROWS])
    np.testing.assert_array_equal(part.frames, sequence.frames[:, ROWS, COLUMNS])
    np.testing.assert_array_equal(part.instants, sequence.instants)
    assert part.flow is not None
    assert part.flow.shape == (2, 2, 2, 8, 12)


def test_a_vertical_flip_reverses_the_row_times(sequence):
    flipped = flip_rows(sequence)
    np.testing.assert_allclose(times(flipped), times(sequence)[..., ::-1], atol=1e-15)
    np.testing.assert_array_equal(flipped.frames, sequence.frames[:, ::-1])
    np.testing.assert_allclose(flipped.instants, sequence.instants)
    np.testing.assert_array_equal(flipped.scan, -sequence.scan)


def test_a_horizontal_flip_keeps_the_row_times(sequence):
    flipped = flip_columns(sequence)
    np.testing.assert_array_equal(times(flipped), times(sequence))
    np.testing.assert_array_equal(flipped.truths, sequence.truths[:, :, ::-1])


def test_a_flipped_crop_is_the_crop_of_the_flipped(sequence):
    one = flip_rows(crop(sequence, ROWS, COLUMNS))
    other = crop(flip_rows(sequence), slice(20 - ROWS.stop, 20 - ROWS.start), COLUMNS)
    np.testing.assert_array_equal(times(one), times(other))
    np.testing.assert_array_equal(one.frames, other.frames)


@pytest.mark.parametrize("flip", [flip_rows, flip_columns])
def test_flipping_twice_is_the_identity(sequence, flip):
    again = flip(flip(sequence))
    for name in ("frames", "truths", "masks", "flow", "scan"):
        np.testing.assert_array_equal(getattr(again, name), getattr(sequence, name))
    np.testing.assert_array_equal(times(again), times(sequence))


def test_flow_points_the_mirrored_way():
    sequence = make(Shutter.DUAL_REVERSED)
    assert sequence.flow is not None
    upside_down, mirrored = flip_rows(sequence).flow, flip_columns(sequence).flow
    assert upside_down is not None
    assert mirrored is not None
    np.testing.assert_array_equal(upside_down[:, :, 0], sequence.flow[:, :, 0, ::-1])
    np.testing.assert_array_equal(upside_down[:, :, 1], -sequence.flow[:, :, 1, ::-1])
    np.testing.assert_array_equal(mirrored[:, :, 0], -sequence.flow[:, :, 0, :, ::-1])


def test_a_crop_of_rows_is_no_stack(sequence):
    with pytest.raises(StackError, match="expected all 20 rows of the sensor, found 8"):
        crop(sequence, ROWS, COLUMNS).luminance()
    assert crop(sequence, slice(0, 20), COLUMNS).luminance().width == 12


def test_a_crop_beyond_the_edge_is_told(sequence):
    with pytest.raises(StackError, match=r"expected rows within 0\.\.20, found 15\.\.25"):
        crop(sequence, slice(15, 25), COLUMNS)
