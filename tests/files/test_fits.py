"""FITS keeps its values, however programs lay out frames, and tells what its headers say."""

from __future__ import annotations

import bz2
import gzip
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burst.files.find import find_stacks
from burst.files.read import ReadOptions, read_stack
from burst.records import NoiseModel, Stack, StackError

fits = pytest.importorskip("astropy.io.fits")

STACK = np.stack(
    [np.add.outer(40 * np.arange(32), 30 * np.arange(40)) + 100 * (k + 1) for k in range(5)]
).astype(np.uint16)


def write(path: Path, *images: np.ndarray | None, **header: Any) -> Path:
    """Write images, the first into the primary unit, and keys, a dash as an underscore."""
    primary = fits.PrimaryHDU(images[0])
    units = fits.HDUList([primary, *(fits.ImageHDU(image) for image in images[1:])])
    for key, value in header.items():
        primary.header[key.replace("_", "-")] = value
    units.writeto(path)
    return path


def write_folder(folder: Path, frames: np.ndarray, **header: Any) -> Path:
    for k, frame in enumerate(frames):
        write(folder / f"light_{k:04d}.fits", frame, **header)
    return folder


def read(path: Path) -> np.ndarray:
    return read_stack(path).frames


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "i4", "f4", "f8"])
def test_a_cube_keeps_its_values(tmp_path: Path, kind: str) -> None:
    frames = (STACK % 250).astype(kind)
    np.testing.assert_array_equal(read(write(tmp_path / "moon.fits", frames)), frames)


def test_the_header_gives_exposure_and_white_level(tmp_path: Path) -> None:
    sensor = read_stack(write(tmp_path / "moon.fit", STACK, EXPTIME=0.02, SATURATE=3500.0)).sensor
    assert (sensor.exposure_time, sensor.white_level) == (0.02, 3500)


def test_the_header_gives_noise_in_electrons(tmp_path: Path) -> None:
    sensor = read_stack(write(tmp_path / "moon.fit", STACK, EGAIN=0.5, RDNOISE=2.0)).sensor
    assert sensor.noise == NoiseModel(1 / (0.5 * 4095), (4 / 4095) ** 2)


def test_the_first_image_is_taken_behind_an_empty_header(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(write(tmp_path / "moon.fts", None, STACK)), STACK)


@pytest.mark.parametrize("shape", [(1, 5, 32, 40), (5, 1, 32, 40), (1, 1, 5, 32, 40)])
def test_axes_of_length_one_are_dropped(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write(tmp_path / "moon.fits", STACK.reshape(shape))
    np.testing.assert_array_equal(read(path), STACK)


@pytest.mark.parametrize("parts", [(STACK[:2], STACK[2:]), (None, *STACK), tuple(STACK)])
def test_all_images_of_a_file_are_frames(
    tmp_path: Path, parts: tuple[np.ndarray, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "burst")
    np.testing.assert_array_equal(read(write(tmp_path / "moon.fits", *parts)), STACK)
    assert "images follow one another as frames" in caplog.text


def test_masks_and_errors_beside_the_frames_are_left_out(tmp_path: Path) -> None:
    units = fits.HDUList([fits.PrimaryHDU(STACK)])
    for name in ("MASK", "UNCERT", "DQ"):
        units.append(fits.ImageHDU(STACK * 0, name=name))
    units.writeto(tmp_path / "moon.fits")
    np.testing.assert_array_equal(read(tmp_path / "moon.fits"), STACK)


def test_images_of_two_sizes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "moon.fits", STACK, STACK[:, :20])
    with pytest.raises(StackError, match=r"moon.fits: expected a frame like the first, 32 x 40"):
        read(path)


def test_parts_of_one_detector_are_no_frames(tmp_path: Path) -> None:
    units = fits.HDUList([fits.PrimaryHDU()])
    for k, frame in enumerate(STACK[:2]):
        units.append(fits.ImageHDU(frame, fits.Header({"DETSEC": f"[{1 + 40 * k}:40,1:32]"})))
    units.writeto(tmp_path / "moon.fits")
    with pytest.raises(StackError, match="2 parts of one detector"):
        read(tmp_path / "moon.fits")


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_files_are_read_and_named_alike(tmp_path: Path, suffix: str, pack: Any) -> None:
    path = write(tmp_path / "moon.fits", STACK)
    packed = tmp_path / f"moon.fits{suffix}"
    packed.write_bytes(pack(path.read_bytes()))
    path.unlink()
    (tmp_path / "moon.toml").write_text("black_level = 7")
    stack = read_stack(packed)
    np.testing.assert_array_equal(stack.frames, STACK)
    assert (stack.name, stack.sensor.black_level) == ("moon", 7)


@pytest.mark.parametrize("name", ["moon.fits.fz", "moon.fits"])
def test_compressed_images_are_read(tmp_path: Path, name: str) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(STACK)]).writeto(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name), STACK)


def test_shares_of_white_are_scaled(tmp_path: Path) -> None:
    stack = read_stack(write(tmp_path / "moon.fits", (STACK / 4000).astype(np.float32)))
    np.testing.assert_allclose(stack.frames / stack.sensor.white_level, STACK / 4000, atol=1e-5)


def test_calibrated_frames_may_be_negative(tmp_path: Path) -> None:
    stack = read_stack(write(tmp_path / "moon.fits", STACK - 300.25))
    black, white = stack.sensor.black_levels[0], stack.sensor.white_level
    linear = (stack.frames - black) / (white - black)
    np.testing.assert_allclose(linear, (STACK - 300.25) / 4095, atol=1e-5)


# Row order and colour pattern: the pattern is that of the picture as it is seen, top row first,
# whichever row comes first in the file (as Siril and the programs that write ROWORDER have it).


@pytest.mark.parametrize("height", [32, 31])
@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_rows_that_are_stored_bottom_up_are_turned_once(
    tmp_path: Path, height: int, pattern: str
) -> None:
    seen = STACK[:, :height]
    up = write(tmp_path / "up.fits", seen[:, ::-1], ROWORDER="BOTTOM-UP", BAYERPAT=pattern)
    down = write(tmp_path / "down.fits", seen, ROWORDER="TOP-DOWN", BAYERPAT=pattern)
    for stack in (read_stack(up), read_stack(down)):
        np.testing.assert_array_equal(stack.frames, seen)
        assert (stack.sensor.cfa, stack.sensor.orientation) == (pattern, 1)


@pytest.mark.parametrize(
    ("x", "y", "pattern"), [(0, 0, "RGGB"), (1, 0, "GRBG"), (0, 1, "GBRG"), (1, 1, "BGGR")]
)
def test_offsets_move_the_pattern(tmp_path: Path, x: int, y: int, pattern: str) -> None:
    path = write(tmp_path / "moon.fits", STACK, COLORTYP="RGGB", XBAYROFF=x, YBAYROFF=y)
    assert read_stack(path).sensor.cfa == pattern


def test_a_pattern_that_is_not_bayer_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "moon.fits", STACK, BAYERPAT="CYYM")
    with pytest.raises(StackError, match="expected a Bayer pattern such as RGGB, found 'CYYM'"):
        read(path)


def test_three_planes_are_frames_only_where_that_is_said(tmp_path: Path) -> None:
    doubtful = write(tmp_path / "a.fits", STACK[:3])
    with pytest.raises(StackError, match=r"may be the colours of one picture or 3 frames\. Pass"):
        read(doubtful)
    stack = read_stack(doubtful, ReadOptions(axis="frames-first"))
    np.testing.assert_array_equal(stack.frames, STACK[:3])
    timed = write(tmp_path / "b.fits", STACK[:3], CTYPE3="TIME")
    np.testing.assert_array_equal(read(timed), STACK[:3])
    colour = write(tmp_path / "c.fits", STACK[:3], CTYPE3="RGB")
    with pytest.raises(StackError, match="found the red, green and blue of one picture"):
        read(colour)


def test_colour_pictures_of_a_folder_become_luminance(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "burst")
    write_folder(tmp_path, np.repeat(STACK[:, None], 3, axis=1), CTYPE3="RGB", BAYERPAT="RGGB")
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, STACK)
    assert stack.sensor.cfa == "mono"
    assert "luminance" in caplog.text


def test_a_folder_of_single_frames_is_a_stack(tmp_path: Path) -> None:
    write_folder(tmp_path, STACK, BAYERPAT="GRBG", EXPTIME=2.0)
    (tmp_path / "light_0001.jpg").write_bytes(b"a preview")
    assert find_stacks([str(tmp_path)]) == [tmp_path]
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, STACK)
    assert (stack.sensor.cfa, stack.sensor.exposure_time) == ("GRBG", 2.0)


def test_a_folder_of_cubes_is_a_folder_of_stacks(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.fits", STACK) for name in "ab"]
    assert find_stacks([str(tmp_path)]) == paths


def test_single_frames_of_a_glob_name_their_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, STACK)
    with pytest.raises(StackError, match="single frames only"):
        find_stacks([str(tmp_path / "*.fits")])


def test_a_broken_file_among_frames_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path, STACK)
    (tmp_path / "light_0002.fits").write_bytes(b"nothing")
    with pytest.raises(StackError, match=r"light_0002\.fits: expected a FITS cube"):
        read(tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cut_file_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "moon.fits", STACK)
    path.write_bytes(path.read_bytes()[:8000])
    with pytest.raises(StackError, match=r"moon\.fits: expected a FITS cube"):
        read(path)


def with_dates(folder: Path, dates: list[str]) -> Stack:
    for k, date in enumerate(dates):
        write(folder / f"{k}.fits", STACK[k], DATE_OBS=date)
    return read_stack(folder)


def test_dates_give_the_times_of_frames(tmp_path: Path) -> None:
    dates = [f"2024-03-01T23:59:{s}" for s in ("58.25", "58.75", "59.5", "59.75")]
    sensor = with_dates(tmp_path, dates).sensor
    assert sensor.frame_times == pytest.approx((0, 0.5, 1.25, 1.5), abs=1e-6)
    assert sensor.frame_time == pytest.approx(0.5, abs=1e-6)


def test_dates_of_whole_seconds_give_only_the_mean_interval(tmp_path: Path) -> None:
    dates = [f"2024-03-01T23:59:{s}" for s in ("50", "52", "53", "56")]
    sensor = with_dates(tmp_path, dates).sensor
    assert (sensor.frame_times, sensor.frame_time) == (None, 2.0)


def test_dates_without_time_tell_nothing(tmp_path: Path) -> None:
    assert with_dates(tmp_path, ["2024-03-01", "2024-03-02"]).sensor.frame_times is None


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("BAYERPAT", ("RGGB", "GRBG"), "expected cfa RGGB like the first frame, found GRBG"),
        ("SATURATE", (4000, 4095), "expected white_level 4000.0 like the first frame"),
        ("XBAYROFF", ("none", "none"), "XBAYROFF: expected a whole number of pixels"),
    ],
)
def test_headers_that_contradict_are_told(
    tmp_path: Path, key: str, values: tuple[Any, Any], message: str
) -> None:
    for k, value in enumerate(values):
        write(tmp_path / f"{k}.fits", STACK[k], **{"BAYERPAT": "RGGB", key: value})
    with pytest.raises(StackError) as caught:
        read_stack(tmp_path)
    assert message in str(caught.value)


def test_a_change_of_exposure_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for k, seconds in enumerate((1.0, 2.0)):
        write(tmp_path / f"{k}.fits", STACK[k], EXPTIME=seconds)
    read_stack(tmp_path)
    assert "1.fits: exposure differs from the first frame's" in caplog.text


def test_darks_among_lights_are_told(tmp_path: Path) -> None:
    for k, kind in enumerate(("Light Frame", "Light Frame", "Dark Frame")):
        write(tmp_path / f"{k}.fits", STACK[k], IMAGETYP=kind)
    with pytest.raises(StackError, match=r"2\.fits: .* found one that its header calls DARK"):
        read_stack(tmp_path)


@pytest.mark.parametrize("word", ["RAW16", "MONO", "Y800", ""])
def test_a_format_is_no_pattern(tmp_path: Path, word: str) -> None:
    assert read_stack(write(tmp_path / "moon.fits", STACK, COLORTYP=word)).sensor.cfa == "mono"


def test_a_header_with_too_many_axes_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "moon.fits", STACK)
    stated, damaged = b"NAXIS   =                    3", b"NAXIS   =             99999999"
    path.write_bytes(path.read_bytes().replace(stated, damaged))
    with pytest.raises(StackError, match="found one of 99999999 axes"):
        read_stack(path)


def test_a_damaged_packed_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "moon.fits", STACK)
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[len(packed) // 2] ^= 0x5A
    (tmp_path / "moon.fits.gz").write_bytes(bytes(packed))
    with pytest.raises(StackError, match=r"moon\.fits\.gz: expected a FITS cube"):
        read_stack(tmp_path / "moon.fits.gz")
