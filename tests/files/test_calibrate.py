"""Darks and flats: what a sensor adds, and what optics take away, is gone from the frames."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import burst
from burst.files.read import ReadOptions, read_stack
from burst.records import StackError

DRAW = np.random.default_rng(0)
SIZE = (32, 40)
SCENE = DRAW.uniform(200, 2500, SIZE)
GLOW = 300 + 100 * np.linspace(0, 1, SIZE[1]) + (DRAW.random(SIZE) < 0.02) * 900  # DN without light
VIGNETTE = 1 - 0.6 * np.hypot(*np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 32))) / 1.5


def recorded(light: np.ndarray, count: int, noise: float = 3.0) -> np.ndarray:
    """Return frames of light [h, w] that the sensor records."""
    exact = light * VIGNETTE + GLOW
    frames = exact + DRAW.normal(0, noise, (count, *SIZE))
    return frames.round().clip(0, 4095).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "lights.npy", recorded(SCENE, 40))
    np.save(tmp_path / "darks.npy", recorded(0 * SCENE, 40))
    np.save(tmp_path / "flats.npy", recorded(0 * SCENE + 2500, 40))
    np.save(tmp_path / "one.npy", recorded(0 * SCENE, 1))
    return tmp_path


def test_dark_and_flat_give_the_light(folder: Path) -> None:
    flat = folder / "flats.npy"
    (folder / "flats.toml").write_text(f"black_level = {float(np.median(GLOW))}")
    options = ReadOptions(axis="frames-first", dark=folder / "darks.npy", flat=flat)
    stack = read_stack(folder / "lights.npy", options)
    span = stack.sensor.white_level - stack.sensor.black
    light = (stack.frames.mean(0) - stack.sensor.black) / span
    expected = SCENE * VIGNETTE.mean()
    unsaturated = expected < 2000
    light = light * (4095 - np.median(GLOW))
    error = (light / expected - 1)[unsaturated]
    assert np.abs(error).mean() < 0.03


def test_a_dark_removes_glow_and_hot_pixels(folder: Path) -> None:
    plain = read_stack(folder / "lights.npy", ReadOptions(axis="frames-first"))
    options = ReadOptions(axis="frames-first", dark=folder / "darks.npy")
    stack = read_stack(folder / "lights.npy", options)
    assert stack.sensor.white_level == 16 * plain.sensor.white_level
    light = stack.frames.mean(0) / 16 - stack.sensor.black / 16
    assert np.abs(light - SCENE * VIGNETTE).max() < 4
    assert stack.sensor.black / 16 == pytest.approx(np.median(GLOW), abs=2)


def test_saturated_values_stay_saturated(folder: Path) -> None:
    frames = np.load(folder / "lights.npy")
    frames[:, 3, 4] = 4095
    np.save(folder / "lights.npy", frames)
    options = ReadOptions(axis="frames-first", dark=folder / "darks.npy", flat=folder / "flats.npy")
    stack = read_stack(folder / "lights.npy", options)
    assert (stack.frames[:, 3, 4] == stack.sensor.white_level).all()


def test_a_flat_changes_no_colours_of_a_mosaic(folder: Path) -> None:
    flats = np.load(folder / "flats.npy")
    flats[:, ::2, ::2] //= 2
    np.save(folder / "flats.npy", flats)
    for name in ("lights", "flats"):
        (folder / f"{name}.toml").write_text('cfa = "RGGB"\nblack_level = 300')
    plain = read_stack(folder / "lights.npy", ReadOptions(axis="frames-first"))
    options = ReadOptions(axis="frames-first", flat=folder / "flats.npy")
    stack = read_stack(folder / "lights.npy", options)
    for stated in (plain, stack):
        assert stated.sensor.cfa == "RGGB"
    red = [(s.frames[:, ::2, ::2].mean() - s.sensor.black_levels[0]) / s.sensor.white_level
           for s in (plain, stack)]  # fmt: skip
    assert red[1] == pytest.approx(red[0], rel=0.1)


def test_a_single_dark_is_enough(folder: Path) -> None:
    stack = read_stack(
        folder / "lights.npy", ReadOptions(axis="frames-first", dark=folder / "one.npy")
    )
    assert stack.count == 40


def test_a_dark_of_another_size_or_exposure_is_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    np.save(folder / "small.npy", np.full((4, 20, 40), 300, np.uint16))
    options = ReadOptions(axis="frames-first", dark=folder / "small.npy")
    with pytest.raises(StackError, match=r"small\.npy: expected frames of 32 x 40 like"):
        read_stack(folder / "lights.npy", options)
    (folder / "darks.toml").write_text("exposure_time = 0.5")
    caplog.set_level(logging.WARNING)
    read_stack(folder / "lights.npy", replace(options, dark=folder / "darks.npy"))
    assert "its exposure differs from that of the frames" in caplog.text


def test_python_takes_them_for_arrays_too(folder: Path) -> None:
    frames = np.load(folder / "lights.npy")
    stack = burst.read(frames, axis="frames-first", dark=folder / "darks.npy", black_level=0.0)
    assert stack.sensor.black > 0


def test_fractions_of_white_calibrate_as_whole_numbers_do(folder: Path) -> None:
    for name in ("lights", "darks", "flats"):
        np.save(folder / f"{name}-32.npy", (np.load(folder / f"{name}.npy") / 4095).astype("f4"))
    images = []
    for end, white in (("", 4095.0), ("-32", 1.0)):
        dark, flat = folder / f"darks{end}.npy", folder / f"flats{end}.npy"
        options = ReadOptions(0.07 * white, white, "frames-first", dark=dark, flat=flat)
        images.append(burst.plain_mean(read_stack(folder / f"lights{end}.npy", options)))
    np.testing.assert_allclose(images[1], images[0], atol=1e-3)


def test_a_flat_without_black_may_have_any_unit(folder: Path) -> None:
    flat = np.load(folder / "flats.npy").astype("f4") - GLOW
    np.save(folder / "flat.npy", (flat / flat.mean()).astype("f4"))
    dark = folder / "darks.npy"
    options = ReadOptions(300, axis="frames-first", dark=dark, flat=folder / "flat.npy")
    stack = read_stack(folder / "lights.npy", options)
    light = (stack.frames.mean(0) - stack.sensor.black) / 16
    np.testing.assert_allclose(light, SCENE * VIGNETTE.mean(), rtol=0.03)


@pytest.mark.parametrize(
    ("dark", "flat", "said"),
    [("flats", None, "brighter than the frames"), ("darks", "bright", "saturated in part")],
)
def test_darks_with_light_and_saturated_flats_are_told(folder, caplog, dark, flat, said) -> None:
    np.save(folder / "bright.npy", recorded(0 * SCENE + 4500, 8))
    flat = None if flat is None else folder / f"{flat}.npy"
    options = ReadOptions(axis="frames-first", dark=folder / f"{dark}.npy", flat=flat)
    with caplog.at_level(logging.WARNING):
        read_stack(folder / "lights.npy", options)
    assert said in caplog.text
