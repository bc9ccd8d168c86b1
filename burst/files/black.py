"""Estimate a black level that the file does not state: 0, unless the noise indicates another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from burst.log import LOG
from burst.ops import bayer, noise
from burst.ops.sensor import black as black_ops
from burst.records import Sensor

MOST_FRAMES = 64  # enough to measure the noise; chosen by hand
LEAST_DARK = 0.02  # of white; if the darkest pixel is below, black is near 0; chosen by hand


def assume_black(where: str, frames: np.ndarray, sensor: Sensor) -> Sensor:
    """Return the sensor of frames [n, h, w] DN whose file does not state a black level. Black stays
    0 unless no pixel comes near it and the noise of the frames indicates another level."""
    sensor = replace(sensor, black_assumed=True)
    few = frames[:MOST_FRAMES]
    if sensor.transfer != "linear" or few.min() < LEAST_DARK * sensor.white_level:
        return sensor
    y, x = (0, 0) if sensor.cfa == "mono" else bayer.cfa_sites(sensor.cfa)[1]
    each = 1 if sensor.cfa == "mono" else 2
    linear = noise.to_linear(few[:, y::each, x::each], replace(sensor, black_level=0.0))
    black = black_ops.lower_black(linear, noise.residuals_of_windows(linear), noise.one_dn(sensor))
    if black is None:
        return sensor
    level = float(round(black * sensor.white_level))
    LOG.info("%s: black is taken as %g DN, to which the noise of the frames leads.", where, level)
    return replace(sensor, black_level=level)
