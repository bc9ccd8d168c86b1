"""Tags are used where they make sense, and missing where they do not."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from burst.files.exif import ShotTags, read_tags
from burst.records import NoiseModel


def write(path: Path, tags: list[tuple[int, str, int, object, bool]]) -> Path:
    tifffile.imwrite(path, np.zeros((16, 16), np.uint16), extratags=tags)
    return path


def test_a_file_without_tags_tells_nothing(tmp_path: Path) -> None:
    assert read_tags(write(tmp_path / "a.dng", [])) == ShotTags()


def test_what_is_no_tiff_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.cr3").write_bytes(b"ftypcrx " * 20)
    assert read_tags(tmp_path / "a.cr3") == ShotTags()


def test_the_noise_of_three_colours_is_their_mean(tmp_path: Path) -> None:
    profile = (1e-4, 1e-6, 2e-4, 2e-6, 3e-4, 3e-6)
    tags = read_tags(write(tmp_path / "a.dng", [(51041, "d", 6, profile, False)]))
    assert tags.noise is not None
    assert (tags.noise.shot, tags.noise.read) == pytest.approx((2e-4, 2e-6))


@pytest.mark.parametrize("profile", [(-1e-4, 1e-6), (float("nan"), 1e-6), (1e-4, 1e-6, 1e-4)])
def test_a_senseless_noise_profile_is_none(tmp_path: Path, profile: tuple[float, ...]) -> None:
    path = write(tmp_path / "a.dng", [(51041, "d", len(profile), profile, False)])
    assert read_tags(path).noise is None


def test_a_plain_profile_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dng", [(51041, "d", 2, (1e-4, 1e-6), False)])
    assert read_tags(path).noise == NoiseModel(1e-4, 1e-6)


def test_an_exposure_over_zero_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dng", [(33434, "2I", 1, (1, 0), False)])
    assert read_tags(path).exposure_time is None
