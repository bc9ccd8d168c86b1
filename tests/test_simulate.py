"""`burst simulate` writes a stack that `burst run` reads, and its truth beside it."""

from __future__ import annotations

import numpy as np
import pytest

from burst.__main__ import main
from burst.files.find import find_stacks
from burst.files.read import read_stack


@pytest.fixture
def simulate(tmp_path):
    """Return a function that simulates 6 frames of 32x32: (exit code, path of the stack)."""

    def call(*words, name="a.npy"):
        out = tmp_path / name
        size = ["--frames", "6", "--size", "32", "--device", "cpu", "--out", str(out)]
        return main(["simulate", *size, *map(str, words)]), out

    return call


def test_stack_is_read_with_the_sensor_it_was_made_with(simulate):
    code, path = simulate()
    stack = read_stack(path)
    assert code == 0
    assert stack.frames.shape == (6, 32, 32)
    assert stack.sensor.row_time > 0
    assert stack.sensor.black_levels[0] > 0


def test_truth_holds_scene_and_motion(simulate):
    _, path = simulate()
    with np.load(path.with_suffix(".truth.npz"), allow_pickle=False) as truth:
        assert truth["scene"].shape == (32, 32)
        assert truth["flow"].shape == (6, 2, 32, 32)
        assert truth["row_motion"].shape == (6, 32, 2)


def test_truth_is_not_taken_for_a_stack(simulate):
    _, path = simulate()
    assert find_stacks([str(path.parent)]) == [path]


def test_same_seed_gives_the_same_stack(simulate):
    one, two, three = (
        simulate("--seed", seed, name=name)[1].read_bytes()
        for seed, name in ((1, "one.npy"), (1, "two.npy"), (2, "three.npy"))
    )
    assert one == two != three


def test_scene_may_be_a_file(simulate, tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64), 128, np.uint8))
    code, path = simulate("--image", tmp_path / "grey.png")
    assert code == 0
    # Grey 128 of 255 is 0.216 in linear light.
    stack = read_stack(path)
    black, white = stack.sensor.black_levels[0], stack.sensor.white_level
    assert (stack.frames.mean() - black) / (white - black) == pytest.approx(0.216, abs=0.01)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--level", "hihg"], 2, "Did you mean 'high'?"),
        (["--image", "camra"], 3, "Did you mean 'camera'?"),
        (["--image", "pyproject.toml"], 3, "found a file that cannot be read"),
        (["--size", "8"], 2, "expected at least 16 pixels"),
    ],
)
def test_mistake_is_explained(simulate, capsys, monkeypatch, words, code, message):
    monkeypatch.chdir(__file__.rpartition("/tests/")[0])
    assert simulate(*words)[0] == code
    assert message in capsys.readouterr().err


def test_stack_must_be_npy(simulate, capsys):
    assert simulate(name="a.tif")[0] == 2
    assert "expected a name that ends in .npy" in capsys.readouterr().err


def test_options_say_air_optics_and_file(simulate):
    code, path = simulate(
        "--path", "road", "--cn2", "5e-15", "--pixel", "1", "--display", "--jpeg", 90
    )
    stack = read_stack(path)
    assert code == 0
    assert stack.sensor.transfer == "srgb"
    assert stack.frames.max() <= 255


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--path", "raod"], "Did you mean 'road'"),
        (["--cn2", "1e-14"], "expected a path with it"),
        (["--jpeg", "90"], "expected display = true"),
        (["--path", "road", "--wind", "-1"], "wind: expected"),
        (["--path", "road", "--shutter", "rolling"], "--path: expected no --shutter with it"),
    ],
)
def test_wrong_words_about_air_and_files_are_explained(simulate, capsys, words, message):
    assert simulate(*words)[0] == 2
    assert message in capsys.readouterr().err


def test_a_planet_is_written_as_ser_with_time_stamps(simulate):
    said = ("--planet", "--radius", 16, "--seconds", 60, "--drift", 30, "--path", "telescope")
    code, out = simulate(*said, "--size", 96, name="jupiter.ser")
    stack = read_stack(out)
    assert code == 0
    assert stack.frames.shape == (6, 96, 128)
    assert stack.sensor.frame_time == pytest.approx(12)
    assert np.load(out.with_suffix(".truth.npz"))["scene"].shape == (96, 128)


@pytest.mark.parametrize(
    ("words", "name", "message"),
    [
        (("--planet",), "a.npy", "expected a name that ends in .ser, with --planet"),
        (("--radius", 20), "a.npy", "--radius: expected --planet with it, found none"),
        (("--planet", "--radius", 3), "a.ser", "radius"),
    ],
)
def test_mistakes_about_planets_are_explained(simulate, capsys, words, name, message):
    code, out = simulate(*words, name=name)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
