"""The readout is told by motion that changes, and by no other."""

import numpy as np
import pytest
import torch

from burst.ops.rolling.bands import motion_from_flow
from burst.ops.rolling.readout import RATIOS, readout_from_motion
from burst.ops.vibration import Vibration

H, W = 160, 24


def flows(ratio: float, frames: int, swing: float, near: float = 0.0) -> list[torch.Tensor]:
    """Return flows [2, h, w] between frames of a camera that swings by `swing` px; the bottom
    row's scene is `near` times closer than the top's."""
    draw = np.random.default_rng(0)
    rates, phases = draw.uniform(0.1, 0.3, 3), draw.uniform(0, 6.28, (3, 2))

    def place(time: np.ndarray) -> np.ndarray:
        turns = 2 * np.pi * rates[:, None] * time[:, None, None] + phases
        return np.array([10.0, 2.0]) * time[:, None] + swing * np.sin(turns).sum(1)

    row, found = np.arange(H), []
    for i in range(frames - 1):
        begin = i + ratio * row / H
        moved = place(begin + 1) - place(begin)
        for _ in range(6):
            moved = place(begin + 1 + ratio * moved[:, 1] / H) - place(begin)
        moved[:, 0] *= 1 + near * row / H
        noise = 0.1 * draw.standard_normal((2, H, W))
        found.append(torch.from_numpy(moved.T[:, :, None] + noise).float())
    return found


def measured(given: list[torch.Tensor], trust: torch.Tensor | None = None):
    sure = torch.ones(H, W) if trust is None else trust
    return readout_from_motion([motion_from_flow(flow, sure)[0] for flow in given], H)


@pytest.mark.parametrize("ratio", [0.25, 0.425, 0.8])
@pytest.mark.parametrize("near", [0.0, 0.2])
def test_the_ratio_is_found_whatever_the_depth(ratio, near):
    found = measured(flows(ratio, 10, swing=6.0, near=near))
    assert found.ratio == pytest.approx(ratio, abs=0.03)
    assert found.low <= found.ratio <= found.high
    assert len(found.misfits) == len(found.ratios) == len(RATIOS)


def test_even_motion_fits_every_ratio():
    found = measured(flows(0.5, 8, swing=0.0))
    assert found.high - found.low > 0.5


def test_nothing_known_leaves_every_ratio_open(recwarn):
    found = measured(flows(0.5, 8, swing=6.0), torch.zeros(H, W))
    assert (found.low, found.high) == pytest.approx((RATIOS[0], RATIOS[-1]))
    assert not recwarn.list


def test_what_is_not_trusted_does_not_count():
    given = flows(0.425, 10, swing=6.0)
    trust = torch.ones(H, W)
    trust[:, :8] = 0.0
    for flow in given:
        flow[:, :, :8] = 50.0
    assert measured(given, trust).ratio == pytest.approx(0.425, abs=0.03)


def test_bands_without_trust_are_left_out():
    given = flows(0.425, 10, swing=6.0)
    trust = torch.ones(H, W)
    trust[:30] = 0.0
    assert measured(given, trust).ratio == pytest.approx(0.425, abs=0.05)


def test_an_object_that_moves_by_itself_does_not_count():
    given = flows(0.425, 10, swing=6.0)
    for k, flow in enumerate(given):
        flow[0, 60:130, 4:15] += 8.0 * (-1) ** k
    assert measured(given).ratio == pytest.approx(0.425, abs=0.03)


def test_bands_that_an_object_fills_count_little():
    sure, draw = torch.ones(H, W), np.random.default_rng(1)
    moved = [motion_from_flow(flow, sure)[0] for flow in flows(0.425, 10, swing=6.0)]
    for bands in moved:
        bands[draw.choice(len(bands), 3, replace=False)] += draw.uniform(1, 3, 2)
    found = readout_from_motion(moved, H)
    assert found.ratio == pytest.approx(0.425, abs=0.01)
    assert found.low <= 0.425 <= found.high
    assert found.high - found.low < 0.1


def test_a_shake_that_the_curve_cannot_follow_is_doubt():
    given = flows(0.425, 12, swing=6.0)
    seconds = (torch.arange(12.0)[:, None] + 0.425 * torch.arange(H) / H) / 30
    shaken = Vibration(1.0, torch.Generator().manual_seed(0)).at(seconds.double())
    for flow, moved in zip(given, shaken.diff(dim=0), strict=True):
        flow += moved.T[..., None]
    found = measured(given)
    assert found.low < 0.425 < found.high
    assert found.high - found.low > 0.12
