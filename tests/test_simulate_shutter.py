"""`burst simulate --shutter` writes a folder that the readers and `burst run` take."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from burst.__main__ import main
from burst.files.find import find_stacks
from burst.files.layouts.find import list_sequences
from burst.records import Shutter


@pytest.fixture
def simulate(tmp_path):
    """Return a function that simulates 4 frames of 24x24: (exit code, folder)."""

    def call(shutter, *words, name="a"):
        out = tmp_path / name
        options = ["--shutter", shutter, "--frames", "4", "--size", "24", "--out", str(out)]
        return main(["simulate", *options, *map(str, words)]), out

    return call


@pytest.fixture
def film(tmp_path):
    """A video of 60 frames 32x48 that brighten; the file says 50 a second."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (48, 32))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for n in range(60):
        writer.write(np.full((32, 48, 3), 40 + 3 * n, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize("kind", ["rolling", "dual_reversed", "global_reset"])
def test_every_shutter_is_written_and_read(simulate, kind):
    code, out = simulate(kind, "--readout-ratio", 0.6, "--frame-rate", 50)
    assert code == 0
    sequence = list_sequences(out)[0].read()
    assert sequence.frames.shape == (4, 24, 24)
    assert len(sequence.truths) == (18 if kind == "dual_reversed" else 36)
    sensor = sequence.sensor
    assert sensor.shutter is Shutter(kind)
    assert (sensor.frame_time, sequence.readout_ratio) == (pytest.approx(0.02), pytest.approx(0.6))
    assert sensor.exposure_time == (pytest.approx(0.005) if kind == "global_reset" else 0)
    assert sensor.noise is not None


def test_the_folder_is_one_stack(simulate, capsys):
    _, out = simulate("rolling")
    assert find_stacks([str(out)]) == [out]
    assert capsys.readouterr().out.splitlines()[0] == str(out)


def test_the_scene_moves_at_the_speed_that_is_asked_for(simulate):
    moved = []
    for speed, name in ((0, "still"), (8, "moving")):
        _, out = simulate("rolling", "--speed", speed, "--level", "low", name=name)
        truths = list_sequences(out)[0].read().truths.astype(float)
        moved.append(np.abs(truths[-1] - truths[0]).mean())
    assert moved[1] > 5 * moved[0]


def test_a_video_is_a_scene_at_the_rate_it_was_taken(simulate, film):
    words = ("--video", film, "--video-rate", 300, "--level", "low")
    code, out = simulate("rolling", *words)
    assert code == 0
    sequence = list_sequences(out)[0].read()
    assert sequence.frames.shape == (4, 24, 24)
    # Ten film frames a frame, each a little brighter: so is every frame, and every row.
    means = sequence.truths.mean(axis=(1, 2))
    assert (np.diff(means[::9]) > 100).all()
    assert sequence.frames[0, -4:].mean() > sequence.frames[0, :4].mean() + 100


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--readout-ratio", "-1"], 2, "--readout-ratio -1: expected a number from 0 on"),
        (["--readout-ratio", "1.5"], 2, "--readout-ratio 1.5: expected at most 1"),
        (["--frame-rate", "0"], 2, "--frame-rate 0: expected a number above 0"),
        (["--speed", "nan"], 2, "--speed nan: expected a number"),
        (["--video-rate", "300"], 2, "--video-rate: expected --video with it"),
        (["--video", "a.mp4", "--speed", "3"], 2, "found --video. Pass one of them"),
        (["--device", "cuda"], 2, "expected cpu or auto with --shutter"),
        (["--level", "hihg"], 2, "Did you mean 'high'?"),
        (["--size", "8"], 2, "expected at least 16 pixels"),
        (["--video", "none.mp4"], 3, "none.mp4: expected a video"),
    ],
)
def test_a_mistake_is_explained(simulate, capsys, words, code, message):
    assert simulate("rolling", *words)[0] == code
    assert message in capsys.readouterr().err


def test_a_video_that_is_too_short_or_too_small_is_told(simulate, film, capsys):
    assert simulate("rolling", "--video", film, "--video-rate", 900)[0] == 3
    assert "found 60. Simulate fewer frames" in capsys.readouterr().err
    assert simulate("rolling", "--video", film, "--size", 40)[0] == 2
    assert "expected at most 32 pixels" in capsys.readouterr().err


def test_an_odd_frame_has_no_partner(simulate, capsys):
    assert simulate("dual_reversed", "--frames", 3)[0] == 3
    assert "Pass an even number" in capsys.readouterr().err


def test_a_global_reset_needs_an_exposure(simulate, capsys):
    assert simulate("global_reset", "--exposure", 0)[0] == 2
    assert "--exposure 0: expected a number above 0" in capsys.readouterr().err


def test_what_belongs_to_a_moving_scene_needs_a_shutter(tmp_path, capsys):
    assert main(["simulate", "--out", str(tmp_path / "a.npy"), "--readout-ratio", "0.5"]) == 2
    assert "--readout-ratio: expected --shutter with it" in capsys.readouterr().err


def test_nothing_is_written_over(simulate, capsys):
    simulate("rolling")
    assert simulate("rolling")[0] == 3
    assert "expected an empty place" in capsys.readouterr().err
