"""Results are whole or absent, the same each time, and say what made them."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from burst.files.write import (
    WriteError,
    atomic_write,
    finished_deviation,
    write_confidence,
    write_instants,
    write_mask,
    write_npz,
    write_results,
    write_text,
)
from burst.ops import color
from burst.records import Provenance, Sensor


def linear_to_display(image):
    return color.linear_to_display(torch.from_numpy(image)).numpy()


def display_to_linear(image):
    return color.display_to_linear(torch.from_numpy(image)).numpy()


PROVENANCE = Provenance("0.1", "clip.npy", "title = 'x'", seed=0, threads=1, device="cpu")
GRAY = np.linspace(-0.1, 1.1, 400, dtype=np.float32).reshape(20, 20)
COLOR = np.stack([GRAY, GRAY / 2, GRAY / 4], axis=-1)


def write_half(path: Path, error: Exception) -> None:
    with atomic_write(path) as part:
        part.write_text("half")
        raise error


def write_to_full_device(path: Path) -> None:
    with atomic_write(path) as part:
        part.symlink_to("/dev/full")
        part.write_text("hello")


@pytest.mark.parametrize("image", [GRAY, COLOR], ids=["gray", "colour"])
def test_the_three_files_hold_the_image(tmp_path: Path, image: np.ndarray) -> None:
    paths = write_results(tmp_path / "out", image, Sensor(), PROVENANCE)
    names = ["restored.npy", "restored.tif", "restored.png"]
    assert [path.name for path in paths] == names + ["restored.dng"] * (image.ndim == 3)
    np.testing.assert_array_equal(np.load(paths[0]), image)
    clipped = np.clip(image, 0, 1)
    np.testing.assert_array_equal(tifffile.imread(paths[1]), np.round(clipped * 65535))
    png = cv2.imread(str(paths[2]), cv2.IMREAD_UNCHANGED)
    png = png if image.ndim == 2 else png[..., ::-1]
    np.testing.assert_allclose(png / 65535, linear_to_display(image), atol=1e-5)


def test_pictures_are_white_balanced_and_arrays_are_not(tmp_path: Path) -> None:
    sensor = Sensor(white_balance=(2.0, 1.0, 1.5))
    npy, tif, png, _ = write_results(tmp_path, COLOR, sensor, PROVENANCE)
    np.testing.assert_array_equal(np.load(npy), COLOR)
    expected = np.clip(COLOR * np.array(sensor.white_balance), 0, 1)
    np.testing.assert_allclose(tifffile.imread(tif) / 65535, expected, atol=1e-5)
    expected = linear_to_display(expected)
    shown = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)[..., ::-1] / 65535
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_a_display_encoded_image_is_shown_as_it_is_and_stored_linear(tmp_path: Path) -> None:
    npy, _, png = write_results(tmp_path, GRAY, Sensor(transfer="srgb"), PROVENANCE)
    np.testing.assert_allclose(np.load(npy), display_to_linear(GRAY), atol=1e-6)
    shown = cv2.imread(str(png), cv2.IMREAD_UNCHANGED) / 65535
    np.testing.assert_allclose(shown, np.clip(GRAY, 0, 1), atol=1e-5)


@pytest.mark.parametrize("image", [GRAY, COLOR], ids=["gray", "colour"])
def test_tif_and_png_say_what_made_them(tmp_path: Path, image: np.ndarray) -> None:
    _, tif, png = write_results(tmp_path, image, Sensor(), PROVENANCE)[:3]
    with tifffile.TiffFile(tif) as file:
        assert json.loads(file.pages[0].description) == asdict(PROVENANCE)
    with Image.open(png) as stored:
        assert json.loads(stored.text["provenance"]) == asdict(PROVENANCE)


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    one = write_results(tmp_path / "a", COLOR, Sensor(), PROVENANCE)
    two = write_results(tmp_path / "b", COLOR, Sensor(), PROVENANCE)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_arrays_come_back_and_give_the_same_bytes(tmp_path: Path) -> None:
    arrays = {"flow": np.ones((2, 3)), "frames": GRAY}
    write_npz(tmp_path / "a.npz", arrays)
    write_npz(tmp_path / "b.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as archive:
        np.testing.assert_array_equal(archive["frames"], GRAY)
        np.testing.assert_array_equal(archive["flow"], np.ones((2, 3)))


def test_an_error_midway_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError, match="midway"):
        write_half(tmp_path / "a.txt", RuntimeError("midway"))
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WriteError) as caught:
        write_half(tmp_path / "a.txt", OSError(errno.ENOSPC, "No space left on device"))
    assert str(caught.value) == (
        f"{tmp_path}/a.txt: expected to write it, found 'No space left on device'."
        " Free some space, or choose a folder of your own by --out."
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_that_is_full_is_explained(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No space left"):
        write_to_full_device(tmp_path / "a.txt")
    assert os.listdir(tmp_path) == []


def test_a_refused_name_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteError, match=r"found 'Permission denied'\. Free some space, or choose"):
        write_text(tmp_path / "a.txt", "hello")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_explained(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match=r"Permission denied.*choose a folder of your own"):
        write_text(tmp_path / "a.txt", "hello")


@pytest.mark.parametrize("name", ["file/a.txt", "file"])
def test_a_file_where_a_folder_should_be_is_explained(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="choose a folder of your own by --out"):
        write_results(tmp_path / name, GRAY, Sensor(), PROVENANCE)


def test_a_folder_where_the_file_should_be_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(WriteError, match="Is a directory"):
        write_text(tmp_path / "a.txt", "hello")
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("image", [GRAY, COLOR], ids=["gray", "colour"])
def test_confidence_is_stored_as_it_is(tmp_path: Path, image: np.ndarray) -> None:
    write_confidence(tmp_path / "confidence.tif", image, PROVENANCE)
    with tifffile.TiffFile(tmp_path / "confidence.tif") as tif:
        assert json.loads(tif.pages[0].description) == asdict(PROVENANCE)
        np.testing.assert_array_equal(tif.asarray(), image)


def test_a_mask_lies_on_its_upright_image(tmp_path: Path) -> None:
    mask = np.zeros((10, 8), bool)
    mask[0] = True  # the first row recorded, which is the last column seen
    image = np.zeros((20, 16, 3), np.float32)
    write_mask(tmp_path / "moving.png", mask, image, Sensor(orientation=6), PROVENANCE)
    seen = cv2.imread(str(tmp_path / "moving.png"), cv2.IMREAD_UNCHANGED)
    assert seen.shape == (16, 20)
    assert seen[:, -2:].min() == 65535
    assert seen[:, :-2].max() == 0


def test_a_deviation_is_finished_as_its_image(tmp_path: Path) -> None:
    image = np.linspace(0.1, 0.9, 400, dtype=np.float32).reshape(20, 20)
    deviation = np.full_like(image, 1e-3)
    lying = Sensor(orientation=6)
    np.testing.assert_array_equal(finished_deviation(image, image, lying), np.rot90(image, -1))
    linear = finished_deviation(deviation, image, Sensor(transfer="srgb"))
    slope = (display_to_linear(image + 1e-3) - display_to_linear(image)) / 1e-3
    np.testing.assert_allclose(linear, 1e-3 * slope, rtol=0.02)


@pytest.mark.parametrize("image", [GRAY, COLOR], ids=["gray", "colour"])
def test_several_instants_are_pages_pictures_and_a_film(tmp_path: Path, image: np.ndarray) -> None:
    images = np.stack([image, image[::-1]])
    paths = write_instants(tmp_path / "out", images, Sensor(), PROVENANCE)
    names = [f"restored{end}" for end in (".npy", ".tif", ".mp4", "-000.png", "-001.png")]
    assert [path.name for path in paths] == names
    np.testing.assert_array_equal(np.load(paths[0]), images)
    assert tifffile.imread(paths[1]).shape == images.shape
    second = cv2.imread(str(paths[4]), cv2.IMREAD_UNCHANGED)
    second = second if image.ndim == 2 else second[..., ::-1]
    np.testing.assert_allclose(second / 65535, linear_to_display(images[1]), atol=1e-5)
    film = cv2.VideoCapture(str(paths[2]))
    assert (film.get(cv2.CAP_PROP_FRAME_COUNT), film.get(cv2.CAP_PROP_FRAME_WIDTH)) == (2, 20)
    assert film.read()[0]


def test_a_film_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    images = np.stack([GRAY[:, :19], GRAY[::-1, :19]])
    films = [
        write_instants(tmp_path / name, images, Sensor(), PROVENANCE)[2].read_bytes()
        for name in ("one", "two")
    ]
    assert films[0] == films[1]


@pytest.mark.parametrize("image", [GRAY[:12], COLOR[:12]], ids=["gray", "colour"])
def test_all_results_are_upright(tmp_path: Path, image: np.ndarray) -> None:
    """Frames of a camera on its side lie as they were recorded; what is written does not."""
    sensor = Sensor(orientation=6)
    paths = write_results(tmp_path / "one", image, sensor, PROVENANCE)
    turned = np.rot90(image, -1)
    np.testing.assert_array_equal(np.load(paths[0]), turned)
    pixels = np.rint(np.clip(turned, 0, 1) * 65535)
    np.testing.assert_array_equal(tifffile.imread(paths[1]), pixels)
    assert cv2.imread(str(paths[2]), -1).shape[:2] == (20, 12)
    paths = write_instants(tmp_path / "two", np.stack([image] * 2), sensor, PROVENANCE)
    np.testing.assert_array_equal(np.load(paths[0]), np.stack([turned] * 2))
    film = cv2.VideoCapture(str(paths[2]))
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (12, 20)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    place = tmp_path / "deep" / "folder"

    def fill_and_fail():
        with atomic_write(place) as part:
            part.mkdir()
            (part / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill_and_fail()
    assert not list(place.parent.iterdir())
    with atomic_write(place) as part:
        part.mkdir()
        (part / "whole").write_text("x")
    assert [path.name for path in place.parent.iterdir()] == ["folder"]
    assert (place / "whole").read_text() == "x"
