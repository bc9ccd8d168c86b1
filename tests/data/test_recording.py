"""Recordings are what options say, and mistakes are explained."""

from __future__ import annotations

import pytest
import torch
from simulated import camera_scene

from burst.data.levels import find_level
from burst.data.recording import Recording, record, recording_of
from burst.data.turbulence import simulate
from burst.ops.turbulence.layers import LayeredAir
from burst.ops.turbulence.path import PATHS, fried_parameter
from burst.settings import ConfigError


def recorded(**settings):
    """Return 4 frames of 48 x 48 px."""
    generator = torch.Generator().manual_seed(3)
    conditions = find_level("low").point()
    return record(Recording(**settings), camera_scene(), conditions, 4, 48, generator)


def test_nothing_said_is_the_usual_simulator():
    generator = torch.Generator().manual_seed(3)
    usual = simulate(camera_scene(), find_level("low").point(), generator, 4, (48, 48))
    assert recorded().stack.frames.tobytes() == usual.stack.frames.tobytes()


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_as_strong_as_it_says(name):
    simulated = recorded(path=name)
    path = PATHS[name]
    assert isinstance(simulated.truth.air, LayeredAir)
    strength = path.aperture / fried_parameter(path)
    assert simulated.truth.air.d_over_r0 == pytest.approx(strength, rel=0.01)
    assert simulated.truth.conditions.electrons == find_level("low").point().electrons


def test_more_cn2_is_more_turbulence():
    weak, strong = (recorded(path="road", cn2=cn2).truth.air.d_over_r0 for cn2 in (1e-15, 4e-15))
    assert strong / weak == pytest.approx(4 ** (3 / 5), rel=1e-3)


def test_words_reach_sensor_and_file():
    simulated = recorded(sampling=0.5, exposure=0.5, display=True, enlarge=1.25)
    sensor = simulated.stack.sensor
    assert sensor.sampling == pytest.approx(0.4)
    assert sensor.exposure_time == pytest.approx(0.5 / 30)
    assert sensor.transfer == "srgb"
    assert simulated.stack.frames.shape == (4, 60, 60)


def test_other_keys_are_left_out():
    assert recording_of({"level": "low", "cn2": None, "jpeg": 80, "display": True}).jpeg == 80


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "raod"}, "Did you mean 'road'"),
        ({"cn2": 1e-14}, "cn2: expected a path with it"),
        ({"sampling": 9}, "sampling: expected less than or equal to 2, found 9"),
        ({"exposure": float("nan")}, "exposure: expected"),
    ],
)
def test_mistake_is_explained(settings, message):
    with pytest.raises(ConfigError, match=message):
        Recording(**settings)
