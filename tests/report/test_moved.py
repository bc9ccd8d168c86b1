"""The report of a stack whose camera moved: pictures lie on one another, plots are drawn."""

from dataclasses import replace

import pytest
import torch
from simulated import camera_scene

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.levels import find_level
from burst.pipeline import load
from burst.records import Burst
from burst.report.motion import draw_displacement, draw_row_motion, draw_shift
from burst.report.pictures import scene_pictures


@pytest.fixture(scope="module")
def moved():
    """Return what is known of a stack that drifts and turns."""
    path = CameraPath(turn=10, drift=(0.4, 0.1))
    simulated = simulate_moved(camera_scene(), find_level("low").point(), path, 5, 14, (96, 96))
    return load("classical").run(Burst(simulated.stack))


def test_all_pictures_have_the_size_of_the_result(moved):
    pictures = scene_pictures(moved)
    height, width = moved.image.shape
    assert (height, width) != moved.linear.shape[1:]
    assert {(p.height, p.width) for p in pictures} == {(height, width)}


def test_everything_is_drawn(moved):
    for draw in (draw_shift, draw_row_motion, draw_displacement):
        assert draw(moved) is not None


def test_the_displacement_is_the_airs(moved):
    drawn = draw_displacement(moved).caption
    assert float(drawn.split("taken out: ")[1].split(" px")[0]) < 1.5


def test_frames_that_were_dropped_leave_gaps(moved):
    kept = torch.arange(1, 14)
    fields = {
        name: getattr(moved, name)[1:] for name in ("linear", "weights", "flow", "row_motion")
    }
    burst = replace(moved, kept=kept, motion=moved.motion[1:], valid=moved.valid[1:], **fields)
    assert draw_row_motion(burst) is not None
