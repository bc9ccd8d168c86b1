"""The records check themselves when they are built."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from burst.records import FIELDS, Burst, NoiseModel, Report, Sensor, Shutter, Stack, StackError

FRAMES = np.zeros((3, 4, 5), np.uint16)


def test_stack_knows_its_size():
    stack = Stack(FRAMES, Sensor())
    assert (stack.count, stack.height, stack.width) == (3, 4, 5)


def test_scan_is_top_to_bottom_when_not_said():
    assert Stack(FRAMES, Sensor()).scan.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (FRAMES[0], r"expected frames \(n, h, w\) of uint16"),
        (FRAMES.astype(float), "found .* of float64"),
        (FRAMES[:1], "expected at least 2 frames, found 1"),
    ],
)
def test_what_is_no_stack_is_refused(frames, message):
    with pytest.raises(StackError, match=message):
        Stack(frames, Sensor(), source="a.npy")


@pytest.mark.parametrize("scan", [[1, 1], [1, 0, 1]])
def test_scan_is_plus_or_minus_one_per_frame(scan):
    with pytest.raises(StackError, match="expected scan to hold 3 values"):
        Stack(FRAMES, Sensor(), scan=np.array(scan))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"black_level": 5000}, "expected 0 <= black_level < white_level 4095, found 5000"),
        ({"black_level": -1}, "found -1"),
        ({"black_level": (0, 0, 0, 9999)}, "found 9999"),
        ({"white_level": float("nan")}, "white_level: expected a number"),
        ({"cfa": "XTRANS"}, "cfa: expected mono or one of RGGB"),
        ({"row_time": -1e-6}, "row_time: expected seconds of at least 0"),
        ({"frame_time": float("inf")}, "frame_time: expected seconds"),
    ],
)
def test_impossible_sensor_is_refused(changes, message):
    with pytest.raises(StackError, match=message):
        Sensor(**changes)


def test_readout_ratio_is_the_share_of_a_frame_spent_reading():
    sensor = Sensor(shutter=Shutter.ROLLING, row_time=1e-4, frame_time=0.02)
    assert sensor.readout_ratio(100) == pytest.approx(0.5)


def test_readout_ratio_is_zero_for_a_still():
    assert Sensor(frame_time=0).readout_ratio(100) == 0


def test_noise_std_is_the_root_of_the_variance():
    noise = NoiseModel(shot=0.01, read=0.0004)
    assert noise.std(0.25) == pytest.approx((0.0025 + 0.0004) ** 0.5)
    assert noise.std(-1) == pytest.approx(0.02)


@pytest.mark.parametrize("values", [(-1, 0), (0, float("nan"))])
def test_noise_is_a_variance(values):
    with pytest.raises(StackError, match="expected a variance"):
        NoiseModel(*values)


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Burst(Stack(FRAMES, Sensor())).image = 1


def test_stage_notes_in_the_entry_that_is_open():
    report = Report().begin("noise", {}).note(shot=1).end(2.0).begin("select", {"keep": 1})
    report = report.note(kept=3).note(dropped=4).warn("few frames")
    assert report.numbers("noise") == {"shot": 1}
    assert report.numbers("select") == {"kept": 3, "dropped": 4}
    assert report.numbers("blur") == {}
    assert report.warnings == ("select: few frames",)
    assert report.entries[0].seconds == 2.0


def test_report_is_plain_json():
    report = Report().begin("noise", {"a": 1}).note(curve=[1, 2])
    assert json.loads(json.dumps(dataclasses.asdict(report)))["entries"][0]["stage"] == "noise"


def test_fields_are_what_a_stage_may_give():
    assert {"stack", "linear", "image"} <= set(FIELDS)
    assert "report" not in FIELDS


@pytest.mark.parametrize("word", ["global", "rolling", Shutter.ROLLING])
def test_a_shutter_is_named_by_its_word(word):
    assert Sensor(shutter=word).shutter is Shutter(word)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shutter": "nonsense"}, "shutter: expected 'global', 'rolling', .*found 'nonsense'"),
        ({"transfer": "gamma"}, "transfer: expected 'linear' or 'srgb', found 'gamma'"),
        ({"white_level": "bright"}, "white_level: expected a number, found 'bright'"),
        ({"black_level": [1, 2]}, r"black_level: expected a number or a value for each place"),
        ({"noise": 3}, "noise: expected .*NoiseModel, found 3"),
        ({"white_levl": 3}, "unknown key 'white_levl'. Did you mean 'white_level'?"),
    ],
)
def test_what_no_sensor_has_is_refused_in_words(changes, message):
    with pytest.raises(StackError, match=message):
        Sensor(**changes)
    with pytest.raises(StackError, match=message):
        dataclasses.replace(Sensor(), **{"white_level": 4095, **changes})


def test_numbers_of_a_sensor_become_those_of_python():
    sensor = Sensor(
        black_level=np.array([1, 2, 3, 4]), white_level=1023, frame_times=np.arange(3) / 30
    )
    assert repr(sensor.black_level) == "(1.0, 2.0, 3.0, 4.0)"
    assert repr(sensor.white_level) == "1023.0"
    assert sensor.frame_times == (0, 1 / 30, 2 / 30)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (FRAMES.astype(np.float32), r"burst\.read takes arrays of any numbers"),
        (FRAMES[0], r"burst\.read takes arrays"),
        ([[1, 2], [3, 4]], "expected a NumPy array of frames, found a list"),
    ],
)
def test_an_array_that_is_no_stack_says_what_to_do(frames, message):
    with pytest.raises(StackError, match=message):
        Stack(frames, Sensor())


def test_a_stack_without_a_sensor_is_refused():
    with pytest.raises(StackError, match="expected a Sensor that says what the frames are"):
        Stack(FRAMES, "mono")
