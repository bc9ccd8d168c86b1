"""Samples of a mosaic are gathered from the frames around each point."""

from __future__ import annotations

import pytest
import torch

from burst.ops.gathering.gather import Gathering, Share
from burst.ops.gathering.sites import Sites
from burst.records import CameraFlow

PLANES = tuple(
    Sites(c, 2, y, x)
    for c, (y, x) in zip((0, 1, 1, 2), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True)
)


def gathered(shifts, around, frames):
    """Gather frames [n, 16, 20] that lie shifted by so many px, the first on the grid."""
    motion = torch.eye(2, 3).repeat(len(shifts), 1, 1)
    motion[:, 0, 2] = torch.tensor(shifts)
    flow = CameraFlow(0, motion, torch.zeros(len(shifts), 2, 2, 3), 8)
    kernels = torch.tensor([1.0, 0.0, 1.0])[:, None, None].expand(3, 8, 10)
    gathering = Gathering(PLANES, flow, kernels, around=around)
    believed = torch.ones(8, 10)
    return gathering.gather(
        lambda k: Share([p.of(frames[k][None])[None] for p in PLANES], believed)
    )


def test_the_reference_gives_all_around_a_point_also_where_others_give_the_nearest_alone():
    frame = torch.rand(1, 16, 20, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gathered([0.0], 1, frame), gathered([0.0], 2, frame))


@pytest.mark.parametrize("around", [1, 2])
def test_colours_that_are_the_same_everywhere_stay(around):
    frames = torch.empty(3, 16, 20)
    for plane in PLANES:
        frames[:, plane.y :: 2, plane.x :: 2] = 0.2 + 0.3 * plane.channel
    found = gathered([0.0, 0.4, -1.3], around, frames)
    wanted = torch.tensor([0.2, 0.5, 0.8])[:, None, None].expand(3, 16, 20)
    torch.testing.assert_close(found[0], wanted)


def test_the_nearest_sample_of_a_frame_is_at_most_a_pixel_away():
    frames = torch.zeros(2, 16, 20)
    frames[1, 8, 8] = 1.0  # red
    red = gathered([0.0, 0.0], 1, frames)[0, 0]
    y, x = torch.nonzero(red, as_tuple=True)
    assert (y - 8).abs().max() <= 1
    assert (x - 8).abs().max() <= 1
    wider = gathered([0.0, 0.0], 2, frames)[0, 0]
    assert int((wider > 0).sum()) > len(y)
