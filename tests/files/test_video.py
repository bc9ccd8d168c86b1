"""Video is display-encoded light whose rows, times and orientation are those of the file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from videos import duration, stamp, turn, write_video

from burst.files.read import ReadOptions, read_stack
from burst.records import StackError


@pytest.fixture
def frames() -> np.ndarray:
    y, x = np.mgrid[:32, :48]
    return np.stack([2 * x + y + 5 * k for k in range(12)]).astype(np.uint8)


def test_frames_and_rate_of_a_lossless_video(tmp_path: Path, frames: np.ndarray) -> None:
    stack = read_stack(write_video(tmp_path / "clip.avi", frames, "FFV1", 50.0))
    assert stack.frames.shape == (12, 32, 48)
    assert np.abs(stack.frames.astype(int) - frames).max() <= 3
    assert stack.sensor.frame_time == pytest.approx(1 / 50)
    assert stack.sensor.frame_times is None
    assert (stack.sensor.white_level, stack.sensor.transfer) == (255, "srgb")


@pytest.mark.parametrize(("degrees", "orientation"), [(90, 6), (180, 3), (270, 8)])
def test_rows_are_those_recorded_however_the_header_turns_them(
    tmp_path: Path, frames: np.ndarray, degrees: int, orientation: int
) -> None:
    plain = read_stack(write_video(tmp_path / "plain.mp4", frames, "mp4v"))
    path = turn(write_video(tmp_path / "turned.mp4", frames, "mp4v"), degrees)
    turned = read_stack(path, ReadOptions(colour=True))
    np.testing.assert_array_equal(turned.frames, plain.frames)
    assert (plain.sensor.orientation, turned.sensor.orientation) == (1, orientation)


@pytest.mark.parametrize(
    ("name", "code"), [("a.avi", "MJPG"), ("a.mkv", "mp4v"), ("a.mp4", "mp4v")]
)
def test_half_a_video_is_told(tmp_path: Path, frames: np.ndarray, name: str, code: str) -> None:
    whole = write_video(tmp_path / name, np.repeat(frames, 3, axis=0), code)
    assert read_stack(whole).count == 36
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    with pytest.raises(StackError, match=f"expected .*found {len(data) // 2} and .* is truncated"):
        read_stack(whole)


def test_an_index_that_is_missing_is_told(tmp_path: Path, frames: np.ndarray) -> None:
    path = write_video(tmp_path / "a.mp4", frames, "mp4v")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(StackError, match="expected an index, found none"):
        read_stack(path)


def test_a_hole_in_a_video_is_reported(
    tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "burst")
    path = write_video(tmp_path / "a.avi", frames, "MJPG")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : 2 * len(data) // 3] = bytes(2 * len(data) // 3 - len(data) // 3)
    path.write_bytes(data)
    read_stack(path)
    assert "expected the stated 12 frames, found" in caplog.text


def test_times_of_frames_are_kept_where_they_are_uneven(
    tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "a.mp4", frames, "mp4v")
    step = duration(path)
    steps = [step] * 12
    steps[4] *= 2
    sensor = read_stack(stamp(path, steps)).sensor
    assert sensor.frame_time == pytest.approx(1 / 30)
    times = [*range(5), *range(6, 12)]  # the edit list of the file ends before the last
    np.testing.assert_allclose(np.array(sensor.frame_times) * 30, times, atol=1e-3)
    assert "expected" not in caplog.text


def test_sixteen_bits_of_grey_stay(tmp_path: Path, frames: np.ndarray) -> None:
    deep = 200 * frames.astype(np.uint16) + 7
    stack = read_stack(write_video(tmp_path / "a.mkv", deep, "FFV1"))
    np.testing.assert_array_equal(stack.frames, deep)
    assert (stack.sensor.white_level, stack.sensor.transfer) == (65535, "linear")


def test_twelve_bits_in_sixteen_are_told(
    tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    deep = 16 * frames.astype(np.uint16)
    stack = read_stack(write_video(tmp_path / "a.mkv", deep, "FFV1"), ReadOptions(colour=True))
    assert stack.sensor.white_level == 4095
    assert "--white-level 65535" in caplog.text
    assert stack.colour is None


@pytest.fixture
def deep_video(tmp_path: Path, frames: np.ndarray) -> Path:
    """A video of ten bits, four times the frames."""
    head = b"YUV4MPEG2 W48 H32 F30:1 C420p10 XYSCSS=420P10\n"
    grey = np.full((2, 16, 24), 512, "<u2").tobytes()
    planes = [b"FRAME\n" + (4 * frame.astype("<u2")).tobytes() + grey for frame in frames]
    (tmp_path / "a.y4m").write_bytes(head + b"".join(planes))
    return tmp_path / "a.y4m"


def test_bits_that_are_lost_are_told(
    deep_video: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("burst.files.video.find_ffmpeg", lambda: None)
    stack = read_stack(deep_video)
    assert (stack.frames.shape, stack.sensor.white_level) == ((12, 32, 48), 255)
    assert "its 10 bits are read as 8" in caplog.text


@pytest.mark.parametrize("lost", [0, 1])
def test_all_bits_come_through_ffmpeg_where_it_is(
    deep_video: Path,
    frames: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lost: int,
) -> None:
    deep = np.repeat(200 * frames.astype("<u2")[lost:, ..., None] + 7, 3, axis=-1)
    deep.tofile(tmp_path / "frames")
    program = tmp_path / "bin/ffmpeg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\ncat {tmp_path}/frames\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    stack = read_stack(deep_video)
    said = (tmp_path / "said").read_text()
    assert "-noautorotate" in said
    assert "-frames:v 12" in said
    if lost:
        assert stack.sensor.white_level == 255
        assert "its 10 bits are read as 8" in caplog.text
        return
    np.testing.assert_array_equal(stack.frames, deep[..., 0])
    assert (stack.sensor.white_level, stack.sensor.transfer) == (65535, "srgb")
    assert "are read as 8" not in caplog.text
