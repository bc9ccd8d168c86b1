"""The motion of rows tells how long a readout takes and where it begins; a steady one does not."""

from __future__ import annotations

import numpy as np
import pytest

from burst.ops.rolling.camera_path import BandMotion, bending, readout_from_path

ROWS, BANDS = 240, 16


def motion(ratio: float, shake: float, pan: float = 3.0, pairs: int = 24) -> BandMotion:
    """Return the motion of bands before a camera that pans (px a frame time) and shakes (px)."""
    random = np.random.default_rng(4)
    tones, phases = np.array([0.08, 0.17, 0.29, 0.43]), random.uniform(0, 6.28, (2, 4))

    def path(time: np.ndarray) -> np.ndarray:
        waves = np.sin(2 * np.pi * time[..., None, None] * tones + phases) / tones
        return pan * time[..., None] + shake * waves.sum(-1) / 10

    begun = np.arange(pairs + 1.0)
    row = (np.arange(BANDS) + 0.5) / BANDS
    first = begun[:-1, None] + ratio * row
    moved = np.zeros((pairs, BANDS, 2))
    for _ in range(4):
        moved = path(first + 1 + ratio * moved[..., 1] / ROWS) - path(first)
    return BandMotion(moved + random.normal(0, 0.02, moved.shape), begun, ROWS)


@pytest.mark.parametrize("ratio", [0.35, 0.6, 0.9])
def test_a_shaken_camera_tells_the_readout(ratio: float) -> None:
    found = readout_from_path([motion(ratio, 3.0)])
    assert found.ratio == pytest.approx(ratio, abs=0.03)
    assert found.low <= ratio <= found.high


def test_a_long_path_tells_as_much() -> None:
    assert readout_from_path([motion(0.7, 3.0, pairs=60)]).ratio == pytest.approx(0.7, abs=0.02)


def test_the_wrong_direction_fits_worse() -> None:
    seen = motion(0.7, 3.0)
    assert readout_from_path([seen]).cost < readout_from_path([seen.mirrored()]).cost - 100


def test_a_steady_camera_tells_nothing() -> None:
    found = readout_from_path([motion(0.7, 0.0)])
    assert found.high - found.low > 0.5
    assert bending([motion(0.7, 0.0)]) < bending([motion(0.7, 3.0)]) / 5
