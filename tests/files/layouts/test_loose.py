"""Rolling-shutter frames alone are taken as they come: any size, no truth, folder or video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.files.layouts.find import list_sequences
from burst.records import Shutter, StackError


def test_a_folder_of_colour_frames_of_any_size(tmp_path: Path, put, picture) -> None:
    for n in range(3):
        put(tmp_path / "mine" / f"shot{n}.png", n, (17, 31))
    (listed,) = list_sequences(tmp_path)
    sequence = listed.read(1)
    assert (listed.name, listed.layout, listed.count) == ("mine", "frames", 3)
    np.testing.assert_array_equal(sequence.frames, [picture(n, (17, 31)) for n in (1, 2)])
    assert sequence.sensor.shutter is Shutter.ROLLING
    assert (len(sequence.truths), sequence.readout_ratio) == (0, 0)
    assert sequence.instants.shape == (0,)


def test_grey_frames_stay_grey(tmp_path: Path) -> None:
    for n in range(2):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((20, 30), 4000 + n, np.uint16))
    sequence = list_sequences(tmp_path)[0].read()
    assert (sequence.frames.shape, sequence.frames.dtype) == ((2, 20, 30), np.uint16)


def test_deep_pixels_need_their_white_level(tmp_path: Path) -> None:
    for n in range(2):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((20, 30), 9000 + n, np.uint16))
    (listed,) = list_sequences(tmp_path)
    with pytest.raises(StackError, match="Pass --white-level 16383"):
        listed.read()
    (tmp_path / "stack.toml").write_text("white_level = 16383")
    assert listed.read().sensor.white_level == 16383


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of five dark red frames that brighten, 50 a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (48, 32))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for n in range(5):
        frame = np.zeros((32, 48, 3), np.uint8)
        frame[..., 2] = 100 + 20 * n
        writer.write(frame)
    writer.release()
    return path


@pytest.mark.parametrize("given", ["file", "folder"])
def test_a_video_is_read_in_colour(video: Path, given: str) -> None:
    (listed,) = list_sequences(video if given == "file" else video.parent)
    sequence = listed.read(1, 3, readout_ratio=0.8)
    assert sequence.frames.shape == (2, 32, 48, 3)
    red, green = (sequence.frames[..., channel].mean(axis=(1, 2)) for channel in (0, 1))
    np.testing.assert_allclose(red, [120, 140], atol=5)
    assert green.max() < 10
    assert sequence.sensor.frame_time == pytest.approx(1 / 50)
    assert sequence.readout_ratio == pytest.approx(0.8)
    assert listed.read(3).count == 2


def test_beyond_the_end_of_a_video_is_nothing(video: Path) -> None:
    with pytest.raises(StackError, match=r"expected frames of 0\.\.4, found start 9"):
        list_sequences(video)[0].read(9)


def test_a_raw_stack_keeps_its_sidecar(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3 * 24 * 24, dtype=np.uint16).reshape(3, 24, 24))
    (tmp_path / "a.toml").write_text("row_time = 1e-5\nexposure_time = 2e-3\nblack_level = 3\n")
    (listed,) = list_sequences(tmp_path)
    sensor = listed.read().sensor
    assert (sensor.row_time, sensor.exposure_time, sensor.black_level) == (1e-5, 2e-3, 3)
    assert sensor.shutter is Shutter.ROLLING
