"""Shift, turn and scale of whole frames: conventions, and which part of the scene all show."""

import numpy as np
import pytest
import torch

from burst.data.camera_path import CameraPath
from burst.ops.alignment.motion import (
    add_motion,
    binned_motion,
    chain,
    flow_of,
    inverse,
    largest_rectangle,
    middle_shift,
    move,
    moved_tiles,
    reach,
    shifted_grid,
    shown_part,
    turn_and_scale,
    without_motion,
)

SIZE = (40, 60)
MOTION = CameraPath(turn=12, scale=0.1, drift=(0.4, 0.2)).motion(5, SIZE)
STILL = torch.eye(2, 3).expand(5, 2, 3)


def shifted(*shifts):
    """Return the motion of frames that see the scene `shifts` (x, y) px further on."""
    return torch.cat(
        [torch.eye(2).expand(len(shifts), 2, 2), torch.tensor(shifts)[:, :, None]], dim=2
    )


def test_a_motion_leads_from_the_reference_to_the_frame():
    flow = flow_of(MOTION, SIZE)
    point = torch.tensor([33.0, 17.0, 1.0])
    torch.testing.assert_close(flow[:, :, 17, 33] + point[:2], MOTION @ point)


def test_no_motion_is_the_identity():
    assert float(flow_of(STILL, SIZE).abs().max()) == 0


def test_the_airs_part_comes_back():
    air = torch.randn((5, 2, *SIZE), generator=torch.Generator().manual_seed(0))
    flow = add_motion(air, MOTION)
    torch.testing.assert_close(without_motion(flow, MOTION), air, atol=1e-4, rtol=0)
    assert add_motion(air, None) is air
    assert without_motion(air, None) is air


def test_the_air_acts_before_the_camera():
    air = torch.ones(5, 2, *SIZE)
    expected = move(MOTION, torch.tensor([34.0, 18.0])[None, :, None, None].expand(5, 2, 1, 1))
    flow = add_motion(air, MOTION)[:, :, 17, 33] + torch.tensor([33.0, 17.0])
    torch.testing.assert_close(flow, expected[:, :, 0, 0])


def test_a_motion_and_its_inverse_are_none():
    torch.testing.assert_close(chain(MOTION, inverse(MOTION)), STILL, atol=1e-5, rtol=0)


def test_turn_and_scale_are_those_of_the_path():
    turn, scale = turn_and_scale(MOTION)
    torch.testing.assert_close(turn, torch.linspace(-6, 6, 5))
    assert float(scale[-1] / scale[0]) == pytest.approx(1.1)


def test_a_binned_motion_moves_the_middles_of_bins_alike():
    points = 4 * torch.stack(torch.meshgrid(torch.arange(15.0), torch.arange(10.0), indexing="xy"))
    whole = move(MOTION, (points + 1.5).expand(5, -1, -1, -1))
    small = move(binned_motion(MOTION, 4), (points / 4).expand(5, -1, -1, -1))
    torch.testing.assert_close(4 * small + 1.5, whole, atol=1e-4, rtol=0)


def test_a_part_of_the_grid_moves_as_the_whole():
    whole = flow_of(MOTION, SIZE)[:, :, 7:, 9:] + torch.tensor([9.0, 7.0])[:, None, None]
    torch.testing.assert_close(flow_of(shifted_grid(MOTION, (9, 7)), (33, 51)), whole)


def test_the_middle_of_a_shifted_frame_is_shifted():
    shift = middle_shift(shifted((3.0, -2.0)), SIZE)
    torch.testing.assert_close(shift, torch.tensor([[3.0, -2.0]]))


def test_the_reach_of_a_shift_is_the_shift():
    assert reach(shifted((3.0, -7.0), (0.0, 0.0)), SIZE) == 7
    assert reach(STILL, SIZE) == 0


def test_frames_that_stay_show_all():
    assert shown_part(STILL, SIZE, 1.0) == (0, 0, 60, 40)


def test_what_all_show_is_what_no_shift_hides():
    motion = shifted((10.0, 0.0), (-6.0, 4.0), (0.0, 0.0))
    # A frame that is shifted by +10 shows the scene from -10 on.
    assert shown_part(motion, SIZE, 1.0) == (6, 0, 44, 36)


def test_most_frames_show_more_than_all_do():
    motion = shifted(*[(float(x), 0.0) for x in range(-25, 26, 5)])
    assert shown_part(motion, SIZE, 1.0) == (25, 0, 10, 40)
    left, top, width, height = shown_part(motion, SIZE, 0.5)
    assert (left, top, width, height) == (0, 0, 60, 40)


def test_the_largest_rectangle_is_all_true():
    mask = np.zeros((6, 7), bool)
    mask[1:5, 2:6] = True
    mask[0, 0] = True
    assert largest_rectangle(mask) == (2, 1, 4, 4)
    mask[2, 3] = False
    left, top, width, height = largest_rectangle(mask)
    assert mask[top : top + height, left : left + width].all()
    assert width * height == 8
    assert largest_rectangle(np.zeros((3, 3), bool)) == (0, 0, 0, 0)


def test_tiles_follow_the_camera():
    tiles = torch.arange(12.0).reshape(1, 3, 4)
    torch.testing.assert_close(moved_tiles(tiles, STILL[:1], (96, 128), (96, 128)), tiles)
    moved = moved_tiles(tiles, shifted((32.0, 0.0)), (96, 128), (96, 96))
    torch.testing.assert_close(moved, tiles[:, :, 1:])
