"""EXIF says how pictures are seen and when they were taken; frames are never turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from burst.files.exif import ShotTags, read_exif
from burst.files.read import ReadOptions, read_stack

FRAMES = np.stack(
    [np.add.outer(2 * np.arange(32), 3 * np.arange(40)) + 10 * k for k in range(4)]
).astype(np.uint8)


def save(path: Path, frame: np.ndarray, **values: Any) -> Path:
    """Write a picture with orientation, exposure (seconds), ISO, date and subsecond, as said."""
    exif = Image.Exif()
    inner = exif.get_ifd(0x8769)
    for name, code, target in (
        ("orientation", 0x0112, exif),
        ("exposure", 0x829A, inner),
        ("iso", 0x8827, inner),
        ("date", 0x9003, inner),
        ("subsecond", 0x9291, inner),
    ):
        if name in values:
            target[code] = values[name]
    Image.fromarray(frame).save(path, exif=exif, quality=100)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_stay_as_recorded(tmp_path: Path, suffix: str, orientation: int) -> None:
    for k, frame in enumerate(FRAMES):
        save(tmp_path / f"{k}{suffix}", frame, orientation=orientation)
    stack = read_stack(tmp_path)
    assert stack.sensor.orientation == orientation
    assert stack.frames.shape == FRAMES.shape
    assert np.abs(stack.frames.astype(int) - FRAMES).max() <= (0 if suffix == ".png" else 3)


def test_colours_stay_as_recorded_too(tmp_path: Path) -> None:
    for k, frame in enumerate(FRAMES):
        colour = np.stack([frame, frame // 2, frame // 3], axis=-1)
        save(tmp_path / f"{k}.jpg", colour, orientation=6)
    stack = read_stack(tmp_path, ReadOptions(colour=True))
    assert stack.colour is not None
    assert stack.colour.shape == (*FRAMES.shape, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exposure_and_times_are_read(tmp_path: Path, suffix: str) -> None:
    for k, (frame, part) in enumerate(zip(FRAMES, ("10", "15", "30", "35"), strict=True)):
        about = {"orientation": 1, "exposure": IFDRational(1, 100), "iso": 200}
        about |= {"date": "2024:05:06 07:08:09", "subsecond": part}
        save(tmp_path / f"{k}{suffix}", frame, **about)
    sensor = read_stack(tmp_path).sensor
    assert (sensor.exposure_time, sensor.iso) == (pytest.approx(0.01), 200)
    assert sensor.frame_times == pytest.approx((0, 0.05, 0.2, 0.25), abs=1e-5)


def test_an_orientation_that_changes_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for k, frame in enumerate(FRAMES):
        save(tmp_path / f"{k}.jpg", frame, orientation=6 if k == 3 else 1)
    assert read_stack(tmp_path).sensor.orientation == 1
    assert "its frames have the orientations 1, 6; they stay as recorded" in caplog.text


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_damaged_exif_says_nothing(tmp_path: Path, cut: int) -> None:
    path = save(tmp_path / "a.jpg", FRAMES[0], orientation=6, date="2024:05:06 07:08:09")
    path.write_bytes(path.read_bytes()[:cut])
    assert isinstance(read_exif(path), ShotTags)


def test_an_orientation_that_does_not_exist_is_none(tmp_path: Path) -> None:
    assert read_exif(save(tmp_path / "a.jpg", FRAMES[0], orientation=9)).orientation == 1
