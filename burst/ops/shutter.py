"""When each row of each frame is exposed: the one definition for every kind of shutter."""

from __future__ import annotations

import numpy as np
import torch

from burst.records import MINIMUM_FRAMES, Sensor, Shutter, Stack, StackError


def exposure_window(
    sensor: Sensor, height: int, scan: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return start and end of exposure [n, h] in seconds (float64) for frames of `scan` [n].

    Global: all rows equal. Rolling: starts grow by `row_time` in the direction of the scan.
    Dual reversed: the same, and frames 2i and 2i+1 are taken at the same moment by two sensors.
    Global reset: all rows start together, row y ends `y * row_time` later. Frames begin when
    `frame_times` says, or every `frame_time`.
    """
    delay = _readout_order(height, scan) * sensor.row_time
    begin = frame_starts(sensor, len(scan))[:, None].expand(-1, height)
    if sensor.shutter is Shutter.GLOBAL:
        return begin, begin + sensor.exposure_time
    if sensor.shutter is Shutter.GLOBAL_RESET:
        return begin, begin + sensor.exposure_time + delay
    return begin + delay, begin + delay + sensor.exposure_time


def frame_starts(sensor: Sensor, count: int) -> torch.Tensor:
    """Return when the first row to be read of each of the first frames [n] begins, in seconds
    (float64); the frames of a dual reversed pair begin together."""
    frame = torch.arange(count)
    if sensor.shutter is Shutter.DUAL_REVERSED:
        frame = torch.div(frame, 2, rounding_mode="floor")
    if sensor.frame_times is None:
        return frame.double() * sensor.frame_time
    times = torch.tensor(sensor.frame_times, dtype=torch.float64)
    return times[2 * frame if sensor.shutter is Shutter.DUAL_REVERSED else frame]


def row_gain(sensor: Sensor, height: int, scan: np.ndarray) -> torch.Tensor:
    """Return the exposure of each row in units of `exposure_time` [n, h], float32.

    It is 1 for all shutters but a global reset, which needs an `exposure_time` above 0.
    """
    begin, end = exposure_window(sensor, height, scan)
    if sensor.shutter is not Shutter.GLOBAL_RESET:
        return torch.ones(begin.shape)
    return ((end - begin) / sensor.exposure_time).float()


def readout_share(height: int, scan: np.ndarray) -> torch.Tensor:
    """Return the time of each row [n, h] as a share of its frame's readout, 0 to 1, float32."""
    return (_readout_order(height, scan) / (height - 1)).float()


def _readout_order(height: int, scan: np.ndarray) -> torch.Tensor:
    """Return the position [n, h] of every row in the order of readout."""
    row = torch.arange(height, dtype=torch.float64)
    downwards = torch.from_numpy(np.asarray(scan) > 0)
    return torch.where(downwards[:, None], row, height - 1 - row)


def check_shutter(stack: Stack, shutter: str) -> None:
    """Raise StackError for a stack that a sensor with this shutter cannot have recorded."""
    where, sensor, scan = stack.source or stack.name, stack.sensor, stack.scan
    if sensor.shutter not in (Shutter.GLOBAL, shutter):
        raise StackError(
            f"{where}: expected the shutter to be {shutter}, as the pipeline says, found"
            f" {sensor.shutter}. Pass --pipeline {sensor.shutter}, or correct the sidecar."
        )
    if shutter == Shutter.GLOBAL_RESET:
        if not (sensor.exposure_time and sensor.row_time):
            raise StackError(
                f"{where}: expected to be told how long the rows of a global reset are exposed,"
                f" found exposure_time {sensor.exposure_time:g} s and row_time"
                f" {sensor.row_time:g} s. Say both in a sidecar."
            )
    elif stack.count < MINIMUM_FRAMES:
        raise StackError(
            f"{where}: expected at least {MINIMUM_FRAMES} frames, found {stack.count}. One frame"
            " does not show how things move."
        )
    if shutter != Shutter.DUAL_REVERSED:
        if len(set(scan.tolist())) > 1:
            raise StackError(
                f"{where}: expected frames all read in one direction, found scan"
                f" {scan.tolist()[:8]}. Pass --pipeline dual_reversed if they are pairs."
            )
        return
    pairs = scan[: stack.count // 2 * 2].reshape(-1, 2)
    if stack.count % 2 or (pairs[:, 0] == pairs[:, 1]).any():
        raise StackError(
            f"{where}: expected pairs of frames read in opposite directions, found"
            f" {stack.count} frames with scan {scan.tolist()[:8]}. Say so in a sidecar:"
            " scan = [1, -1], the order of the files."
        )
