from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from marks import marks_of

from burst.ops.blocks import in_blocks
from burst.records import Burst, Shutter, Stack
from burst.report.motion import (
    POINTS_SHOWN,
    draw_displacement,
    draw_path,
    draw_row_motion,
    draw_shift,
)
from burst.report.plot import Drawing, Line


def test_the_shift_of_every_frame_is_drawn(burst: Burst) -> None:
    drawing = draw_shift(burst)
    assert drawing is not None
    dx, dy = marks_of(drawing, Line)
    np.testing.assert_allclose(np.asarray(dx.y), 0.1 * np.arange(8))
    assert set(np.asarray(dy.y)) == {-0.2}


def test_row_motion_is_drawn_over_the_time_of_each_row(burst: Burst) -> None:
    drawing = draw_row_motion(burst)
    assert drawing is not None
    time = np.asarray(marks_of(drawing, Line)[0].x)
    # 40 rows of 0.2 ms fill 0.4 of a frame of 20 ms; the exposure's middle is 0.5 ms
    # late.
    np.testing.assert_allclose([np.nanmin(time), np.nanmax(time)], [0.025, 7 + 0.025 + 0.39])
    assert np.isnan(time).sum() == 8


@pytest.mark.parametrize("shutter", list(Shutter))
@pytest.mark.parametrize("row_time", [0.0, 1e-4])
def test_every_shutter_can_be_drawn(burst: Burst, shutter: Shutter, row_time: float) -> None:
    sensor = replace(burst.stack.sensor, shutter=shutter, row_time=row_time)
    assert draw_row_motion(replace(burst, stack=replace(burst.stack, sensor=sensor)))


def test_long_bursts_are_drawn_with_fewer_points(burst: Burst) -> None:
    stack = replace(burst.stack, frames=np.zeros((50, 80, 20), np.uint16), scan=None)
    drawing = draw_row_motion(replace(burst, stack=stack, row_motion=torch.rand(50, 80, 2)))
    assert drawing is not None
    assert np.size(marks_of(drawing, Line)[0].x) <= POINTS_SHOWN + 50


def test_the_displacement_excludes_the_shift_of_the_whole_frame(burst: Burst) -> None:
    drawing = draw_displacement(replace(burst, flow=torch.full((8, 2, 40, 48), 3.0)))
    assert drawing is not None
    assert "0.00 px rms" in drawing.caption


def test_the_rms_of_the_displacement_is_stated(burst: Burst) -> None:
    drawing = draw_displacement(burst)
    assert drawing is not None
    assert "1.00 px rms per axis" in drawing.caption


def test_the_displacement_of_very_many_frames_is_drawn_from_some(
    burst: Burst, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def made(numbers: list[int]) -> torch.Tensor:
        read.extend(numbers)
        return torch.ones(len(numbers), 2, 40, 48)

    monkeypatch.setattr("burst.report.motion.MOST_MAPPED", 4)
    assert draw_displacement(replace(burst, flow=in_blocks(made, 8, 2), weights=None))
    assert set(read) == {0, 2, 4, 6}


def test_the_camera_s_path_is_drawn_with_the_instants_within(burst: Burst) -> None:
    path = {"strength": 0.25, "time": [0.0, 0.5, 1.0], "dx": [0.0, 1.0, 0.0], "dy": [0.0, 0.0, 2.0]}
    report = burst.report.begin("unroll", {}).note(shake=path, instants=[0.5, 3.0])
    drawing = draw_path(replace(burst, report=report))
    assert drawing is not None
    assert "0.25 px rms" in drawing.caption
    instant, dx, dy = marks_of(drawing, Line)
    assert np.asarray(instant.x).tolist() == [0.5, 0.5]
    assert np.asarray(dx.y).tolist() == path["dx"]
    assert np.asarray(dy.y).tolist() == path["dy"]


@pytest.mark.parametrize("draw", [draw_shift, draw_row_motion, draw_path, draw_displacement])
def test_what_is_not_known_is_not_drawn(
    stack: Stack, draw: Callable[[Burst], Drawing | None]
) -> None:
    assert draw(Burst(stack)) is None
