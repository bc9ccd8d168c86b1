"""Dense flow is found, distrusted where it is wrong, and filled from where it is right."""

import pytest
import torch
from simulated import camera_scene, rms

from burst.ops.color import linear_to_display
from burst.ops.flow import chain, fill, match, to_bytes
from burst.ops.warp import warp

INSIDE = (..., slice(12, -12), slice(20, -20))


def pair(shift: tuple[float, float]) -> torch.Tensor:
    """Return two frames [2, 128, 144] of the camera man, the second displaced by a shift (px)."""
    still = linear_to_display(camera_scene())[None, 60:220, 130:306]
    corner = torch.tensor([16.0, 16.0])
    flows = torch.stack([corner, corner - torch.tensor(shift)])
    return warp(still.expand(2, -1, -1), flows[..., None, None].expand(-1, -1, 128, 144))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.4, -1.5), (-11.0, 4.0)])
def test_a_shift_is_found_there_and_back(shift):
    found = match(*to_bytes(pair(shift)))
    expected = torch.tensor(shift)[:, None, None]
    assert rms((found.forth - expected)[INSIDE]) < 0.35
    assert rms((found.back + expected)[INSIDE]) < 0.35
    assert float(found.forth_trust[INSIDE].mean()) > 0.9


def test_the_reverse_of_a_match_is_the_match_of_the_reverse():
    frames = to_bytes(pair((2.0, 1.0)))
    found, other = match(*frames).reversed(), match(frames[1], frames[0])
    torch.testing.assert_close(found.forth, other.forth)
    torch.testing.assert_close(found.back_trust, other.back_trust)


def test_what_leaves_the_frame_is_not_trusted():
    found = match(*to_bytes(pair((12.0, 0.0))))
    assert not found.forth_trust[:, -11:].any()


def test_what_has_no_partner_is_not_trusted():
    frames = to_bytes(pair((2.0, 0.0)))
    noise = torch.randint(0, 255, (40, 40), generator=torch.Generator().manual_seed(0))
    frames[1, 40:80, 50:90] = noise.byte().numpy()
    trust = match(*frames).forth_trust
    assert float(trust[46:74, 54:82].mean()) < 0.3 * float(trust[90:120, 20:120].mean())


def test_all_frames_are_spread_over_8_bits_alike():
    frames = torch.tensor([0.2, 0.6])[:, None, None].expand(2, 16, 16)
    found = to_bytes(frames)
    assert found.min() == 0
    assert found.max() == 255
    assert len(set(found[0].ravel())) == 1


def test_what_is_trusted_stays():
    field = torch.randn(2, 30, 41, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fill(field, torch.ones(30, 41)), field)


def test_a_hole_in_a_constant_is_filled_with_it():
    field, trust = torch.full((2, 45, 37), 3.0), torch.ones(45, 37)
    field[:, 10:30, 12:28], trust[10:30, 12:28] = 99.0, 0.0
    torch.testing.assert_close(fill(field, trust), torch.full((2, 45, 37), 3.0))


def test_a_hole_is_filled_from_its_own_side():
    field, trust = torch.zeros(1, 64, 64), torch.ones(64, 64)
    field[..., 32:] = 10.0
    trust[20:28, 4:12] = 0.0
    assert float(fill(field, trust)[0, 20:28, 4:12].max()) < 1.0


def test_nothing_known_is_no_motion():
    assert not fill(torch.ones(2, 20, 20), torch.zeros(20, 20)).any()


def test_one_flow_follows_the_other():
    first = torch.tensor([2.0, -1.0])[:, None, None].expand(2, 20, 24)
    ramp = (0.1 * torch.arange(24.0)).expand(2, 20, 24)
    found = chain(first, ramp)
    torch.testing.assert_close(found[0, 4, 5], torch.tensor(2.0 + 0.7))
