"""A folder of images is one stack, in natural order; one image is grey from 0 to 1."""

import logging
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.files.read import ReadOptions, read_stack


def write_all(folder: Path, frames: np.ndarray, suffix: str) -> None:
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"frame{index + 8}{suffix}"), frame)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_are_linear_and_exact(tmp_path: Path, frames: np.ndarray, suffix: str) -> None:
    write_all(tmp_path, frames, suffix)
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, frames)
    assert (stack.sensor.white_level, stack.sensor.transfer) == (4095, "linear")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_colours_beyond_twelve_bits_use_sixteen(
    tmp_path: Path, frames: np.ndarray, suffix: str
) -> None:
    bright = 15 * frames
    write_all(tmp_path, np.stack([bright // 2, bright, bright], axis=-1), suffix)
    stack = read_stack(tmp_path, ReadOptions(colour=True))
    assert stack.sensor.white_level == 65535
    np.testing.assert_array_equal(stack.colour[..., 0], bright)


@pytest.mark.parametrize(
    ("suffix", "transfer"), [(".png", "srgb"), (".bmp", "srgb"), (".tif", "linear")]
)
def test_eight_bits_are_display_encoded_in_formats_for_viewing(
    tmp_path: Path, frames: np.ndarray, suffix: str, transfer: str
) -> None:
    narrow = (frames // 16).astype(np.uint8)
    write_all(tmp_path, narrow, suffix)
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, narrow)
    assert (stack.sensor.white_level, stack.sensor.transfer) == (255, transfer)


def test_jpeg_is_read_about_right(tmp_path: Path, frames: np.ndarray) -> None:
    narrow = (frames // 16).astype(np.uint8)
    write_all(tmp_path, narrow, ".jpg")
    stack = read_stack(tmp_path)
    assert np.abs(stack.frames.astype(int) - narrow).max() < 8


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_becomes_luminance_with_a_note(
    tmp_path: Path, frames: np.ndarray, channels: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "burst")
    write_all(tmp_path, np.repeat(frames[..., None], channels, axis=-1), ".png")
    np.testing.assert_array_equal(read_stack(tmp_path).frames, frames)
    assert caplog.text.count("turned into luminance") == 1


def test_colours_that_are_kept_are_not_said_to_be_given_up(
    tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "burst")
    colours = np.stack([frames // 2, frames, frames // 4], axis=-1)
    write_all(tmp_path, colours, ".png")
    assert read_stack(tmp_path, ReadOptions(colour=True)).colour is not None
    assert "its colours are kept" in caplog.text
    assert "turned into luminance" not in caplog.text


def test_grey_that_is_stored_three_times_has_no_colour(tmp_path: Path, frames: np.ndarray) -> None:
    grey = np.repeat(frames[..., None], 3, axis=-1)
    write_all(tmp_path, grey, ".png")
    assert read_stack(tmp_path, ReadOptions(colour=True)).colour is None
    coloured = grey.copy()
    coloured[1, 2, 3, 0] ^= 1
    write_all(tmp_path, coloured, ".png")
    kept = read_stack(tmp_path, ReadOptions(colour=True)).colour
    assert kept is not None
    assert (kept[..., 1] != kept[..., 2]).sum() == 1


def test_a_folder_named_by_a_dot_has_the_name_of_its_folder(
    tmp_path: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path, frames, ".png")
    monkeypatch.chdir(tmp_path)
    assert read_stack(Path(".")).name == tmp_path.name


def test_a_real_turbulence_recording_loads(data: Path) -> None:
    stack = read_stack(data / "turbulence" / "otis_pattern9")
    assert stack.frames.shape == (12, 140, 140)
    assert (stack.sensor.transfer, stack.sensor.white_level) == ("srgb", 255)


def write_png_of_bits(path: Path, frame: np.ndarray, bits: int) -> None:
    """Write a 16-bit PNG with the chunk that says how many bits were measured."""
    data = cv2.imencode(".png", frame)[1].tobytes()
    body = b"sBIT" + bytes([bits])
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize(
    ("way", "white"), [("lower", 4095), ("upper, zeros", 65520), ("upper, repeated", 65535)]
)
def test_significant_bits_say_where_white_is(
    tmp_path: Path, frames: np.ndarray, way: str, white: int
) -> None:
    values = {
        "lower": frames,
        "upper, zeros": frames << 4,
        "upper, repeated": frames << 4 | frames >> 8,
    }[way]
    for k, frame in enumerate(values):
        write_png_of_bits(tmp_path / f"{k}.png", frame, 12)
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, values)
    assert stack.sensor.white_level == white
