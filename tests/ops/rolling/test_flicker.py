"""Bands of lamps tell the readout to half a percent, before a still camera and a moving one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from burst.ops.flow import match
from burst.ops.rolling.flicker import band_gain, change_of, find_flicker

FRAME_TIME = 1 / 30


def pairs(ratio: float, amplitude: float, step: int, lamp: float = 100.0, upwards: bool = False):
    """Return pairs of neighbouring frames, their motion and their times."""
    scene = gaussian_filter(np.random.default_rng(2).normal(size=(150, 260)), 2)
    scene = 120 + 180 * scene / np.abs(scene).max()
    row = (np.arange(120) + 0.5) / 120
    share = row[::-1] if upwards else row
    frames, times = [], [0.0333 * k for k in range(9)]
    for k, begun in enumerate(times):
        wave = np.sin(2 * np.pi * lamp * (begun + ratio * FRAME_TIME * share) + 1)
        light = np.exp(amplitude * wave)[:, None]
        seen = scene[k * step // 2 : k * step // 2 + 120, k * step : k * step + 160] * light
        frames.append(np.rint(seen).clip(0, 255).astype(np.uint8))
    as_tensors = [torch.from_numpy(frame).float() for frame in frames]
    return [
        (
            as_tensors[k],
            as_tensors[k + 1],
            match(frames[k], frames[k + 1]),
            (times[k], times[k + 1]),
        )
        for k in range(8)
    ]


@pytest.mark.parametrize(("ratio", "step"), [(0.8, 0), (0.62, 4)])
def test_the_pitch_of_bands_is_the_readout(ratio: float, step: int) -> None:
    found = find_flicker([pairs(ratio, 0.08, step)], FRAME_TIME)
    assert found is not None
    assert found.readout / FRAME_TIME == pytest.approx(ratio, rel=0.005)
    assert (found.scan, found.frequency) == ("top", 100.0)


def test_bands_that_run_upwards_are_told() -> None:
    found = find_flicker([pairs(0.7, 0.06, 2, 100.0, True)], FRAME_TIME)
    assert found is not None
    assert found.scan == "bottom"


@pytest.mark.parametrize("step", [0, 4])
def test_without_a_lamp_there_are_no_bands(step: int) -> None:
    assert find_flicker([pairs(0.8, 0.0, step)], FRAME_TIME) is None


def test_the_gain_of_rows_is_the_light_of_the_lamp() -> None:
    seen = pairs(0.8, 0.08, 3)
    lamp = find_flicker([seen], FRAME_TIME)
    assert lamp is not None
    gain = band_gain([change_of(*pair) for pair in seen], lamp, seen[3][3][0], 120)
    row = (np.arange(120) + 0.5) / 120
    wave = np.sin(2 * np.pi * 100 * (seen[3][3][0] + 0.8 * FRAME_TIME * row) + 1)
    assert gain is not None
    np.testing.assert_allclose(np.log(gain), 0.08 * wave, atol=0.008)
