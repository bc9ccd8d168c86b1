"""Every row's exposure, for each kind of shutter, from one function."""

import numpy as np
import pytest
import torch

from burst.ops.shutter import exposure_window
from burst.records import Sensor, Shutter

HEIGHT = 5
EXPOSURE, ROW, FRAME = 4e-3, 1e-4, 1 / 30
SCAN = np.array([1, -1, 1, -1])


def window(kind: Shutter, row_time: float = ROW, scan: np.ndarray = SCAN):
    """Return start and end [n, h] for a sensor with this shutter."""
    sensor = Sensor(shutter=kind, exposure_time=EXPOSURE, row_time=row_time, frame_time=FRAME)
    return exposure_window(sensor, HEIGHT, scan)


def frame_starts(kind: Shutter) -> torch.Tensor:
    """Return when each of the four frames begins [n, 1]."""
    frame = [0, 0, 1, 1] if kind is Shutter.DUAL_REVERSED else [0, 1, 2, 3]
    return torch.tensor(frame, dtype=torch.float64)[:, None] * FRAME


@pytest.mark.parametrize("kind", Shutter)
def test_without_row_time_every_shutter_is_global(kind):
    begin, end = window(kind, row_time=0.0)
    torch.testing.assert_close(begin, frame_starts(kind).expand(-1, HEIGHT))
    torch.testing.assert_close(end, begin + EXPOSURE)


@pytest.mark.parametrize("kind", Shutter)
def test_times_are_doubles_for_every_row(kind):
    for times in window(kind):
        assert times.shape == (len(SCAN), HEIGHT)
        assert times.dtype == torch.float64


def test_global_rows_are_exposed_together():
    begin, end = window(Shutter.GLOBAL)
    assert float(begin.std(dim=1).max()) == 0
    torch.testing.assert_close(end - begin, torch.full_like(begin, EXPOSURE))


def test_rolling_starts_grow_by_the_row_time():
    begin, end = window(Shutter.ROLLING, scan=np.ones(3))
    torch.testing.assert_close(begin.diff(dim=1), torch.full((3, HEIGHT - 1), ROW).double())
    torch.testing.assert_close(end - begin, torch.full_like(begin, EXPOSURE))


def test_a_reversed_scan_flips_the_rows():
    begin, _ = window(Shutter.ROLLING)
    torch.testing.assert_close((begin[1] - FRAME).flip(0), begin[0])


def test_dual_reversed_pairs_begin_together_from_opposite_ends():
    begin, end = window(Shutter.DUAL_REVERSED)
    torch.testing.assert_close(begin[1], begin[0].flip(0))
    torch.testing.assert_close(end[3], end[2].flip(0))
    torch.testing.assert_close(begin[2] - begin[0], torch.full((HEIGHT,), FRAME).double())


def test_global_reset_starts_together_and_ends_later_row_by_row():
    begin, end = window(Shutter.GLOBAL_RESET, scan=np.ones(2))
    assert float(begin.std(dim=1).max()) == 0
    expected = EXPOSURE + ROW * torch.arange(HEIGHT, dtype=torch.float64)
    torch.testing.assert_close((end - begin)[1], expected)
