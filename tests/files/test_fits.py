"""FITS cubes keep their values and tell exposure and saturation."""

from pathlib import Path

import numpy as np
import pytest

from burst.files.read import read_stack

fits = pytest.importorskip("astropy.io.fits")


@pytest.mark.parametrize("kind", ["u2", "i2", "i4", "f4"])
def test_a_cube_keeps_its_values(tmp_path: Path, frames: np.ndarray, kind: str) -> None:
    fits.writeto(tmp_path / "moon.fits", frames.astype(kind))
    np.testing.assert_array_equal(read_stack(tmp_path / "moon.fits").frames, frames)


def test_the_header_gives_exposure_and_white_level(tmp_path: Path, frames: np.ndarray) -> None:
    header = fits.Header({"EXPTIME": 0.02, "SATURATE": 3500.0})
    fits.writeto(tmp_path / "moon.fit", frames, header)
    sensor = read_stack(tmp_path / "moon.fit").sensor
    assert (sensor.exposure_time, sensor.white_level) == (0.02, 3500)


def test_the_first_image_is_taken_behind_an_empty_header(
    tmp_path: Path, frames: np.ndarray
) -> None:
    units = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(frames)])
    units.writeto(tmp_path / "moon.fts")
    np.testing.assert_array_equal(read_stack(tmp_path / "moon.fts").frames, frames)
