"""A black level that nobody told is taken from the noise; a told one stays."""

import numpy as np
import pytest

from burst.files.read import ReadOptions, read_stack
from burst.records import Sensor

BLACK = 337


def recorded(cfa: bool = False) -> np.ndarray:
    """Return frames [n, h, w] DN of a sky whose black is BLACK; with `cfa` its red is darker."""
    generator = np.random.default_rng(0)
    light = np.linspace(20, 400, 96) * np.ones((96, 1))
    if cfa:
        light[::2, ::2] *= 0.5
    counted = generator.poisson(np.broadcast_to(light, (24, 96, 96)))
    return np.rint(counted + generator.normal(BLACK, 4, counted.shape)).astype(np.uint16)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "sky.npy", recorded())
    return tmp_path / "sky.npy"


def test_what_nobody_told_comes_from_the_noise(path):
    sensor = read_stack(path, ReadOptions(axis="frames-first")).sensor
    assert sensor.black_level == pytest.approx(BLACK, abs=25)
    assert sensor.black_assumed


def test_of_a_mosaic_one_green_plane_is_looked_at(path):
    np.save(path, recorded(cfa=True))
    path.with_suffix(".toml").write_text('cfa = "RGGB"\n')
    assert read_stack(path, ReadOptions(axis="frames-first")).sensor.black_level == pytest.approx(
        BLACK, abs=30
    )


def test_an_option_and_a_sidecar_have_the_last_word(path):
    by_option = read_stack(path, ReadOptions(axis="frames-first", black_level=0)).sensor
    path.with_suffix(".toml").write_text("black_level = 0\n")
    by_sidecar = read_stack(path, ReadOptions(axis="frames-first")).sensor
    for sensor in (by_option, by_sidecar):
        assert sensor.black_levels == (0.0,)
        assert not sensor.black_assumed


def test_where_darkness_is_near_0_black_is_0(path):
    np.save(path, recorded() - np.uint16(BLACK - 20))
    assert read_stack(path, ReadOptions(axis="frames-first")).sensor == Sensor(black_assumed=True)
