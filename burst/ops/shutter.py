"""When each row of each frame is exposed: the one definition for every kind of shutter."""

from __future__ import annotations

import numpy as np
import torch

from burst.records import Sensor, Shutter


def exposure_window(
    sensor: Sensor, height: int, scan: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return start and end of exposure [n, h] in seconds (float64) for frames of `scan` [n].

    Global: all rows equal. Rolling: starts grow by `row_time` in the direction of the scan.
    Dual reversed: the same, and frames 2i and 2i+1 are taken at the same moment by two sensors.
    Global reset: all rows start together, row y ends `y * row_time` later.
    """
    frame = torch.arange(len(scan), dtype=torch.float64)
    if sensor.shutter is Shutter.DUAL_REVERSED:
        frame = torch.div(frame, 2, rounding_mode="floor")
    delay = _readout_order(height, scan) * sensor.row_time
    begin = (frame * sensor.frame_time)[:, None].expand(-1, height)
    if sensor.shutter is Shutter.GLOBAL:
        return begin, begin + sensor.exposure_time
    if sensor.shutter is Shutter.GLOBAL_RESET:
        return begin, begin + sensor.exposure_time + delay
    return begin + delay, begin + delay + sensor.exposure_time


def row_gain(sensor: Sensor, height: int, scan: np.ndarray) -> torch.Tensor:
    """Return how many times the light of `exposure_time` each row gathers [n, h], float32.

    1 for all shutters but a global reset, which needs an `exposure_time` above 0.
    """
    begin, end = exposure_window(sensor, height, scan)
    if sensor.shutter is not Shutter.GLOBAL_RESET:
        return torch.ones(begin.shape)
    return ((end - begin) / sensor.exposure_time).float()


def readout_share(height: int, scan: np.ndarray) -> torch.Tensor:
    """Return at which share [n, h] of a frame's readout each row is read, float32."""
    return (_readout_order(height, scan) / (height - 1)).float()


def _readout_order(height: int, scan: np.ndarray) -> torch.Tensor:
    """Return [n, h]: the place of every row in the order of readout."""
    row = torch.arange(height, dtype=torch.float64)
    downwards = torch.from_numpy(np.asarray(scan) > 0)
    return torch.where(downwards[:, None], row, height - 1 - row)
