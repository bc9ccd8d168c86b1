"""Camera raw files keep mosaic, colour pattern, levels and what the tags tell."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from burst.files.read import read_stack
from burst.records import BAYER_PATTERNS, NoiseModel

SINGLE_FILES = {
    "RAW_KODAK_DC50.KDC": ((512, 768), "GRBG", 16383),
    "gopro_fusion_GPBK7066_crop_1024x768.dng": ((768, 1024), "RGGB", 16383),
    "gopro_fusion_GPFR7066_full.dng": ((3000, 3104), "RGGB", 16383),
    "gopro_hero6_GOPR0024_crop_1024x768.dng": ((768, 1024), "RGGB", 16383),
    "openisp_chart_10bit_1920x1080.dng": ((1080, 1920), "RGGB", 1023),
}


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_a_burst_keeps_its_mosaic_and_black_per_site(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path], cfa: str
) -> None:
    for index, frame in enumerate(frames):
        write_dng(tmp_path / f"shot{index}.dng", frame, cfa=cfa)
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, frames)
    assert (stack.sensor.cfa, stack.sensor.white_level) == (cfa, 4095)
    assert stack.sensor.black_level == (10, 20, 30, 40)


def test_the_tags_give_noise_iso_exposure_and_white_balance(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path]
) -> None:
    for index, frame in enumerate(frames):
        write_dng(tmp_path / f"shot{index}.dng", frame)
    sensor = read_stack(tmp_path).sensor
    assert sensor.noise == NoiseModel(1e-4, 1e-6)
    assert (sensor.iso, sensor.exposure_time) == (200, 0.01)
    assert sensor.white_balance == pytest.approx((2.0, 1.0, 1.6))


def test_one_black_level_for_all_sites_is_one_number(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path]
) -> None:
    for index, frame in enumerate(frames):
        write_dng(tmp_path / f"shot{index}.dng", frame, black=(64, 64, 64, 64))
    assert read_stack(tmp_path).sensor.black_level == 64


def test_values_beyond_the_camera_white_level_are_saturated(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path]
) -> None:
    for index, frame in enumerate(frames):
        write_dng(tmp_path / f"shot{index}.dng", frame, white=1000)
    np.testing.assert_array_equal(read_stack(tmp_path).frames, np.minimum(frames, 1000))


def test_frames_are_in_natural_order(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path]
) -> None:
    for number, frame in zip((2, 10, 100), frames, strict=True):
        write_dng(tmp_path / f"shot{number}.dng", frame)
    np.testing.assert_array_equal(read_stack(tmp_path).frames, frames)


def test_a_change_of_exposure_is_noted(
    tmp_path: Path,
    frames: np.ndarray,
    write_dng: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "burst")
    write_dng(tmp_path / "0.dng", frames[0])
    other = write_dng(tmp_path / "1.dng", frames[1]).read_bytes()
    (tmp_path / "1.dng").write_bytes(other.replace(b"\1\0\0\0\x64\0\0\0", b"\1\0\0\0\x32\0\0\0"))
    read_stack(tmp_path)
    assert "exposure differs" in caplog.text


@pytest.mark.parametrize("name", SINGLE_FILES)
def test_a_real_camera_file_loads(data: Path, tmp_path: Path, name: str) -> None:
    shape, cfa, white = SINGLE_FILES[name]
    for index in range(2):
        (tmp_path / f"{index}{Path(name).suffix}").symlink_to(data / "raw" / name)
    stack = read_stack(tmp_path)
    assert stack.frames.shape == (2, *shape)
    assert (stack.sensor.cfa, stack.sensor.white_level) == (cfa, white)


def test_a_real_noise_profile_is_found(data: Path, tmp_path: Path) -> None:
    source = data / "raw" / "gopro_fusion_GPFR7066_full.dng"
    for index in range(2):
        (tmp_path / f"{index}.dng").symlink_to(source)
    sensor = read_stack(tmp_path).sensor
    assert sensor.noise is not None
    assert sensor.noise.shot == pytest.approx(7.81e-5)
    assert (sensor.iso, sensor.exposure_time) == (100, pytest.approx(1 / 1859))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("burst_photron_ball_12bit_mono", (15, 384, 384)),
        ("burst_microobs_hatp32_12bit_mono", (40, 320, 320)),
    ],
)
def test_a_real_monochrome_burst_loads(data: Path, name: str, shape: tuple[int, ...]) -> None:
    stack = read_stack(data / "raw" / name)
    assert stack.frames.shape == shape
    assert (stack.sensor.cfa, stack.sensor.white_level) == ("mono", 4095)
    assert stack.name == name
