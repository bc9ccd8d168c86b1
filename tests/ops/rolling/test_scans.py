"""Motion of turned frames is that of the frames, turned."""

from __future__ import annotations

import pytest
import torch

from burst.ops.rolling.scans import SCANS, opposite, turned, turned_back, turned_flow
from burst.ops.warp import warp


@pytest.mark.parametrize("scan", SCANS)
def test_turning_back_undoes_turning(scan: str) -> None:
    flow = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(turned_back(turned_flow(flow, scan), scan), flow)
    assert opposite(opposite(scan)) == scan


@pytest.mark.parametrize("scan", SCANS)
def test_turned_frames_are_sampled_by_turned_flow(scan: str) -> None:
    random = torch.Generator().manual_seed(2)
    frame = torch.rand(1, 9, 12, generator=random)
    flow = torch.rand(1, 2, 9, 12, generator=random) - 0.5
    seen = warp(turned(frame, scan), turned_flow(flow[0], scan)[None])
    torch.testing.assert_close(seen, turned(warp(frame, flow), scan))


def test_the_side_that_is_read_first_comes_to_the_top() -> None:
    frame = torch.arange(6.0).reshape(2, 3)
    assert turned(frame, "bottom")[0].tolist() == [3.0, 4.0, 5.0]
    assert turned(frame, "left")[0].tolist() == [0.0, 3.0]
    assert turned(frame, "right")[0].tolist() == [2.0, 5.0]
