"""Camera raw files keep mosaic, colour pattern, levels and what the tags tell."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_carried_and_mosaics_stay_as_recorded(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path], orientation: int
) -> None:
    for index, frame in enumerate(frames):
        write_dng(tmp_path / f"{index}.dng", frame, orientation=orientation)
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, frames)
    assert stack.sensor.orientation == orientation


def test_frames_that_lie_differently_are_told(
    tmp_path: Path,
    frames: np.ndarray,
    write_dng: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for index, frame in enumerate(frames):
        write_dng(tmp_path / f"{index}.dng", frame, orientation=3 if index == 2 else 1)
    assert read_stack(tmp_path).sensor.orientation == 1
    assert "its frames have the orientations 1, 3" in caplog.text


def write_linear(path: Path, colours: np.ndarray, black: tuple[int, int, int]) -> None:
    """Write a DNG of colours [h, w, 3] that were interpolated already, white at 4095."""
    identity = [n for row in np.eye(3, dtype=int) for one in row for n in (int(one), 1)]
    tags = [
        (50706, "B", 4, b"\1\4\0\0", False),
        (50708, "s", 0, "Test camera", False),
        (50714, "H", 3, black, False),
        (50717, "H", 3, (4095, 4095, 4095), False),
        (50721, "2i", 9, identity, False),
        (50728, "2I", 3, [1, 2, 1, 1, 5, 8], False),
    ]
    tifffile.imwrite(path, colours, photometric=34892, extratags=tags, metadata=None, subfiletype=0)


@pytest.mark.parametrize("black", [(0, 0, 0), (100, 100, 100), (90, 100, 130)])
def test_linear_dng_keeps_the_levels_of_the_file(
    tmp_path: Path, frames: np.ndarray, black: tuple[int, int, int]
) -> None:
    """However bright a frame is: its own maximum must not become white."""
    for index, frame in enumerate(frames):
        colours = np.repeat(frame[..., None], 3, axis=-1) + np.array(black, np.uint16)
        write_linear(tmp_path / f"{index}.dng", colours, black)
    stack = read_stack(tmp_path)
    assert (stack.sensor.cfa, stack.sensor.white_level) == ("mono", 4095)
    np.testing.assert_array_equal(stack.frames - stack.sensor.black_levels[0], frames)


def test_float_dng_keeps_its_scale(tmp_path: Path, frames: np.ndarray) -> None:
    pattern = [
        (33421, "H", 2, (2, 2), False),
        (33422, "B", 4, b"\0\1\1\2", False),
        (50706, "B", 4, b"\1\4\0\0", False),
        (50708, "s", 0, "Test camera", False),
        (50717, "I", 1, 1, False),
    ]
    for index, frame in enumerate(frames):
        shares = (frame / 4095).astype(np.float32)
        path = tmp_path / f"{index}.dng"
        tifffile.imwrite(path, shares, photometric=32803, extratags=pattern, metadata=None)
    stack = read_stack(tmp_path)
    linear = stack.frames / stack.sensor.white_level
    np.testing.assert_allclose(linear, frames / 4095, atol=2 / 16383)


def test_monochrome_dng_has_no_pattern(tmp_path: Path, frames: np.ndarray) -> None:
    tags = [
        (50706, "B", 4, b"\1\4\0\0", False),
        (50708, "s", 0, "Test camera", False),
        (50714, "H", 1, 50, False),
        (50717, "H", 1, 4095, False),
    ]
    for index, frame in enumerate(frames):
        path = tmp_path / f"{index}.dng"
        tifffile.imwrite(path, frame, photometric=1, extratags=tags, metadata=None, subfiletype=0)
        # Photometric (262), one short: linear raw, which tifffile writes for three colours alone.
        data = path.read_bytes()
        path.write_bytes(
            data.replace(
                b"\6\1\3\0\1\0\0\0\1\0", b"\6\1\3\0\1\0\0\0" + (34892).to_bytes(2, "little")
            )
        )
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, frames)
    assert (stack.sensor.cfa, stack.sensor.black_level) == ("mono", 50)
