"""TIFF stacks keep their values, compressed or not, big-endian, 8 bits or in colour."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from burst.files.read import read_stack


def test_pages_are_mapped_frames(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "clip.tif", frames, photometric="minisblack")
    stack = read_stack(tmp_path / "clip.tif")
    assert isinstance(stack.frames, np.memmap)
    np.testing.assert_array_equal(stack.frames, frames)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"metadata": None},
        {"imagej": True},
        {"tile": (16, 16)},
    ],
)
def test_any_way_to_store_pages_reads_alike(
    tmp_path: Path, frames: np.ndarray, options: dict[str, object]
) -> None:
    tifffile.imwrite(tmp_path / "clip.tif", frames, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


def test_axes_of_length_one_are_dropped(tmp_path: Path, frames: np.ndarray) -> None:
    hyperstack = frames[:, None, None]
    tifffile.imwrite(tmp_path / "clip.tif", hyperstack, imagej=True, metadata={"axes": "TZCYX"})
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


def test_eight_bits_are_linear_and_white_at_255(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "clip.tif", (frames // 16).astype(np.uint8), photometric="minisblack"
    )
    sensor = read_stack(tmp_path / "clip.tif").sensor
    assert (sensor.white_level, sensor.transfer) == (255, "linear")


def test_colour_becomes_luminance(tmp_path: Path, frames: np.ndarray) -> None:
    color = np.repeat(frames[..., None], 3, axis=-1)
    tifffile.imwrite(tmp_path / "clip.tif", color, photometric="rgb")
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)
