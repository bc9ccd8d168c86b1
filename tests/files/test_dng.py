"""Colours of a camera become those of a display, in pictures, profiles and DNG."""

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import rawpy
import tifffile
import torch
from PIL import Image, ImageCms

from burst.files import icc
from burst.files.png import chunks
from burst.files.write import write_results
from burst.ops.color import SRGB_TO_XYZ, developed, linear_to_display, xyz_of
from burst.records import Provenance, Sensor, StackError

PROVENANCE = Provenance("0.1", "clip", "title = 'x'", seed=0, threads=1, device="cpu")
# A camera that mixes colours, as all do; rows sum to 1.
MATRIX = np.array([[1.6, -0.4, -0.2], [-0.2, 1.5, -0.3], [0.1, -0.5, 1.4]])
CAMERA = Sensor(
    white_balance=(2.0, 1.0, 1.5), camera_matrix=tuple(MATRIX.ravel().tolist()),
    iso=400.0, exposure_time=0.01,
)  # fmt: skip
CHART = np.random.default_rng(0).uniform(0.1, 0.6, (24, 32, 3)).astype(np.float32)


def seen_by(camera: Sensor, scene: np.ndarray) -> np.ndarray:
    """Return what a camera records of linear sRGB [..., 3]."""
    matrix = np.asarray(camera.camera_matrix).reshape(3, 3)
    return (scene @ np.linalg.inv(matrix).T / np.asarray(camera.white_balance)).astype(np.float32)


def test_a_camera_s_colours_become_those_of_the_scene(tmp_path: Path) -> None:
    recorded = seen_by(CAMERA, CHART)
    np.testing.assert_allclose(developed(recorded, CAMERA), CHART, atol=1e-5)
    npy, tif, png, _ = write_results(tmp_path, recorded, CAMERA, PROVENANCE)
    np.testing.assert_array_equal(np.load(npy), recorded)
    np.testing.assert_allclose(tifffile.imread(tif) / 65535, CHART, atol=2e-5)
    shown = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)[..., ::-1] / 65535
    expected = linear_to_display(torch.from_numpy(CHART)).numpy()
    np.testing.assert_allclose(shown, expected, atol=2e-5)


def test_saturated_values_are_white() -> None:
    np.testing.assert_allclose(developed(np.ones((1, 1, 3), np.float32), CAMERA), 1, atol=1e-6)


def test_the_same_colour_has_other_numbers_in_another_space(tmp_path: Path) -> None:
    recorded = seen_by(CAMERA, CHART)
    tif = write_results(tmp_path, recorded, CAMERA, PROVENANCE, "display-p3")[1]
    wide = tifffile.imread(tif) / 65535
    assert np.abs(wide - CHART).max() > 0.01
    np.testing.assert_allclose(wide @ xyz_of("display-p3").T, CHART @ SRGB_TO_XYZ.T, atol=5e-5)


@pytest.mark.parametrize("space", ["srgb", "display-p3"])
def test_pictures_hold_the_profile_of_their_space(tmp_path: Path, space: str) -> None:
    _, tif, png, _ = write_results(tmp_path, CHART, Sensor(), PROVENANCE, space)  # type: ignore[arg-type]
    with tifffile.TiffFile(tif) as file:
        assert file.pages.first.iccprofile == icc.profile(space, True)  # type: ignore[arg-type]
    assert b"iCCP" in [kind for kind, _ in chunks(png.read_bytes())]
    with Image.open(png) as picture:
        assert picture.info["icc_profile"] == icc.profile(space, False)  # type: ignore[arg-type]


def test_the_profile_of_srgb_is_that_of_others() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    ours = ImageCms.ImageCmsProfile(io.BytesIO(icc.profile("srgb", False)))
    changed = ImageCms.profileToProfile(
        Image.fromarray(pixels), ours, ImageCms.createProfile("sRGB")
    )
    assert np.abs(np.asarray(changed).astype(int) - pixels).max() <= 1
    linear = ImageCms.ImageCmsProfile(io.BytesIO(icc.profile("srgb", True)))
    grey = np.full((4, 4, 3), 128, np.uint8)
    bright = ImageCms.profileToProfile(
        Image.fromarray(grey), linear, ImageCms.createProfile("sRGB")
    )
    assert abs(int(np.asarray(bright)[0, 0, 0]) - 188) <= 1


def test_a_raw_developer_shows_the_dng_as_the_picture(tmp_path: Path) -> None:
    scene = cv2.resize(CHART, (96, 64), interpolation=cv2.INTER_CUBIC).clip(0.05, 0.7)
    like = tmp_path / "frame.dng"
    tifffile.imwrite(
        like, np.zeros((16, 16), np.uint16), metadata=None,
        extratags=[(271, 2, 0, "Maker", True), (272, 2, 0, "Camera 1", True),
                   (306, 2, 0, "2026:01:02 03:04:05", True), (42036, 2, 0, "Lens 2", True)],
    )  # fmt: skip
    dng = write_results(tmp_path / "out", seen_by(CAMERA, scene), CAMERA, PROVENANCE, like=like)[3]
    with rawpy.imread(str(dng)) as raw:
        shown = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0.0, gamma=(1, 1),
            output_bps=16, user_flip=0,
        )  # fmt: skip
        assert raw.other.shutter_speed == pytest.approx(0.01)
    assert np.abs(shown / 65535 - scene).mean() < 0.005
    with tifffile.TiffFile(dng) as file:
        tags = file.pages.first.tags
        assert (tags[271].value, tags[272].value) == ("Maker", "Camera 1")
        assert (tags[306].value, tags[34855].value) == ("2026:01:02 03:04:05", 400)
        assert tags[42036].value == "Lens 2"
        assert json.loads(file.pages.first.description) == asdict(PROVENANCE)


def test_a_display_encoded_image_and_a_grey_one_have_no_dng(tmp_path: Path) -> None:
    shown = replace(CAMERA, transfer="srgb", white_balance=(1.0, 1.0, 1.0), camera_matrix=None)
    assert len(write_results(tmp_path / "a", CHART, shown, PROVENANCE)) == 3
    assert len(write_results(tmp_path / "b", CHART[..., 0], CAMERA, PROVENANCE)) == 3


def test_impossible_colours_are_explained() -> None:
    with pytest.raises(StackError, match="white_balance: expected three gains above 0"):
        Sensor(white_balance=(0.0, 1.0, 1.0))
    with pytest.raises(StackError, match="camera_matrix: expected nine numbers, found 3"):
        Sensor(camera_matrix=(1.0, 0.0, 0.0))
