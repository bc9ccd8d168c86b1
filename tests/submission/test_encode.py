"""Restored images become the numbers that a challenge wants, and files of them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from burst.files.write import write_results
from burst.records import Provenance, Sensor
from burst.submission.challenge import SubmissionError
from burst.submission.encode import encode_result, from_bytes, to_bytes, to_numbers

RAMP = np.linspace(-0.2, 0.9, 24 * 24).reshape(24, 24).astype(np.float32)


def test_darkest_and_brightest_are_stretched_over_12_bits(challenge):
    numbers = to_numbers("a", RAMP, challenge)
    assert numbers.dtype == np.uint16
    assert (numbers.min(), numbers.max()) == (0, 4095)
    assert numbers[0, 1] == round(4095 / (24 * 24 - 1))


def test_quantiles_clip_what_lies_beyond(challenge):
    numbers = to_numbers("a", RAMP, replace(challenge, stretch=(0.25, 0.75)))
    assert np.mean(numbers == 0) == pytest.approx(0.25, abs=0.01)
    assert np.mean(numbers == 4095) == pytest.approx(0.25, abs=0.01)


def test_without_stretch_black_and_white_stay(challenge):
    image = np.full((24, 24), 0.5)
    image[0, :3] = -1, 1, 2
    numbers = to_numbers("a", image, replace(challenge, stretch=None, maximum=1000))
    assert numbers[0, :4].tolist() == [0, 1000, 1000, 500]


def test_blank_image_divides_by_no_zero(challenge):
    assert to_numbers("a", np.full((24, 24), 0.5), challenge).max() == 0


def test_grey_is_repeated_where_colour_is_wanted(challenge):
    numbers = to_numbers("a", RAMP, replace(challenge, channels=3))
    assert numbers.shape == (24, 24, 3)
    assert (numbers[..., 0] == numbers[..., 2]).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((24, 25)), "expected an image of 24 x 24 pixels, found 24 x 25"),
        (np.zeros((24, 24, 3)), "expected a grey image"),
        (np.full((24, 24), np.nan), "found NaN or infinity"),
    ],
)
def test_unfit_image_is_refused(challenge, image, message):
    with pytest.raises(SubmissionError, match=message):
        to_numbers("a", image, challenge)


@pytest.mark.parametrize("suffix", [".npy", ".png"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_file_of_numbers_is_read_as_it_was_written(suffix, dtype, shape):
    numbers = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    again = from_bytes(to_bytes(numbers, suffix), suffix)
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, numbers)


def test_false_header_claims_no_memory():
    stream = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": (10**9, 10**9)}
    np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(ValueError, match="not complete"):
        from_bytes(stream.getvalue(), ".npy")


def test_curve_is_the_one_of_the_results(challenge, tmp_path):
    image = np.full((24, 24), 0.18, np.float32)
    provenance = Provenance("0", "a", "", seed=0, threads=1, device="cpu")
    write_results(tmp_path, image, Sensor(), provenance)
    linear = replace(challenge, stretch=None, maximum=1000)
    assert from_bytes(encode_result(tmp_path, linear), ".npy").max() == 180
    display = replace(linear, transfer="srgb")
    assert from_bytes(encode_result(tmp_path, display), ".npy").max() == pytest.approx(461, abs=1)
