"""A sidecar says what the file does not, and the command line overrules both."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.files.read import ReadOptions, read_stack
from burst.files.sidecar import find_sidecar, read_sidecar, sidecar_text
from burst.records import NoiseModel, Sensor, Shutter, StackError

FULL = """
black_level = [60, 61, 62, 63]
white_level = 4000
cfa = "GBRG"
noise = { shot = 1e-4, read = 2e-6 }
shutter = "dual_reversed"
exposure_time = 0.01
row_time = 2e-5
frame_time = 0.04
iso = 400
white_balance = [2, 1, 1.5]
transfer = "linear"
scan = [1, -1]
"""


@pytest.fixture
def clip(tmp_path: Path, frames: np.ndarray) -> Path:
    np.save(tmp_path / "clip.npy", frames[:, :, :32])
    return tmp_path / "clip.npy"


def test_every_key_reaches_the_stack(clip: Path) -> None:
    clip.with_suffix(".toml").write_text(FULL)
    stack = read_stack(clip)
    sensor = stack.sensor
    assert sensor.black_level == (60, 61, 62, 63)
    assert (sensor.white_level, sensor.cfa, sensor.iso) == (4000, "GBRG", 400)
    assert sensor.noise == NoiseModel(1e-4, 2e-6)
    assert sensor.shutter is Shutter.DUAL_REVERSED
    assert (sensor.exposure_time, sensor.row_time, sensor.frame_time) == (0.01, 2e-5, 0.04)
    assert sensor.white_balance == (2, 1, 1.5)
    assert stack.scan is not None
    assert stack.scan.tolist() == [1, -1, 1]


def test_the_command_line_overrules_the_sidecar(clip: Path) -> None:
    clip.with_suffix(".toml").write_text("black_level = 64\nwhite_level = 3000")
    sensor = read_stack(clip, ReadOptions(black_level=10)).sensor
    assert (sensor.black_level, sensor.white_level) == (10, 3000)


@pytest.mark.parametrize("place", ["burst/stack.toml", "burst.toml"])
def test_a_folder_has_its_sidecar_inside_or_beside(
    tmp_path: Path, frames: np.ndarray, place: str
) -> None:
    (tmp_path / "burst").mkdir()
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "burst" / f"{index}.png"), frame)
    (tmp_path / place).write_text("row_time = 1e-5")
    assert read_stack(tmp_path / "burst").sensor.row_time == 1e-5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blak_level = 3", "unknown key 'blak_level'. Did you mean 'black_level'"),
        ("zebra = 3", "unknown key 'zebra'. Known are black_level"),
        ("black_level = 'dark'", "clip.toml black_level: expected a number of DN"),
        ("black_level = [1, 2]", "or four in reading order"),
        ("white_level = true", "white_level: expected a number of DN, found True"),
        ("cfa = 'XYZW'", "cfa: expected mono or one of RGGB"),
        ("cfa = 3", "cfa: expected mono or the colours"),
        ("shutter = 'sideways'", "expected one of global, rolling"),
        ("transfer = 'gamma'", "transfer: expected linear or srgb"),
        ("frame_times = [0, 2, 1]", "frame_times: expected seconds that begin with 0 and rise"),
        ("frame_times = 3", "frame_times: expected a list of seconds, one for each frame"),
        ("row_time = -1", "row_time: expected seconds of at least 0"),
        ("noise = { shot = 1 }", "noise: expected { shot = ..., read = ... }"),
        ("noise = { shot = -1, read = 0 }", "noise: expected"),
        ("white_balance = [1, 2]", "white_balance: expected three numbers"),
        ("scan = [0, 1]", "scan: expected a list of 1 and -1"),
        ("scan = []", "scan: expected a list of 1 and -1"),
        ("black_level = 5000", "clip.toml: black_level: expected 0 <= black_level < white_level"),
        ("black_level = ", "expected TOML"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(clip: Path, text: str, message: str) -> None:
    clip.with_suffix(".toml").write_text(text)
    with pytest.raises(StackError) as caught:
        read_stack(clip)
    assert message in str(caught.value)
    assert "clip.toml" in str(caught.value)


def test_a_sidecar_that_is_no_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="expected a sidecar, found 'Is a directory'"):
        read_sidecar(tmp_path)


def test_names_of_pairs_say_how_they_were_read(tmp_path):
    for name in ("0_b2t", "0_t2b", "1_b2t", "1_t2b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((32, 40), 90, np.uint8))
    assert read_stack(tmp_path).scan.tolist() == [-1, 1, -1, 1]
    (tmp_path / "stack.toml").write_text("scan = [1, -1]")
    assert read_stack(tmp_path).scan.tolist() == [1, -1, 1, -1]


def test_other_names_say_nothing(tmp_path):
    for name in ("0_t2b", "mean"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((32, 40), 90, np.uint8))
    assert read_stack(tmp_path).scan.tolist() == [1, 1]


def test_times_of_frames_count_from_the_first(clip: Path) -> None:
    clip.with_suffix(".toml").write_text("frame_times = [100.0, 100.5, 102.0]")
    sensor = read_stack(clip).sensor
    assert sensor.frame_times == (0, 0.5, 2.0)
    assert sensor.frame_time == 1.0


def test_as_many_times_as_frames_are_asked_for(clip: Path) -> None:
    clip.with_suffix(".toml").write_text("frame_times = [0, 1]")
    with pytest.raises(StackError, match=r"clip.npy: expected frame_times of 3 frames, found 2"):
        read_stack(clip)


def test_times_survive_a_round_trip(tmp_path: Path) -> None:
    sensor = Sensor(frame_times=(0.0, 0.5, 2.0))
    (tmp_path / "a.toml").write_text(sidecar_text(sensor, None))
    assert read_sidecar(tmp_path / "a.toml").apply(Sensor()).frame_times == sensor.frame_times


def test_a_link_has_the_sidecar_of_its_target_unless_it_has_its_own(clip: Path) -> None:
    (clip.parent / "links").mkdir()
    link = clip.parent / "links" / "other.npy"
    link.symlink_to(clip)
    assert find_sidecar(link) is None
    clip.with_suffix(".toml").write_text("white_level = 4000")
    assert read_stack(link).sensor.white_level == 4000
    link.with_suffix(".toml").write_text("white_level = 4050")
    assert read_stack(link).sensor.white_level == 4050
