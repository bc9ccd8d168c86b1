"""Resampling follows one convention: warp(frame, flow) samples the frame at p + flow(p)."""

import pytest
import torch
from torch.nn import functional

from burst.ops.warp import (
    compose,
    invert,
    pixel_grid,
    resize_field,
    sample,
    sample_lines,
    twice_as_fine,
    warp,
    warp_finer,
    within,
)


@pytest.fixture
def frames() -> torch.Tensor:
    """Return random frames [2, 20, 24]."""
    return torch.rand(2, 20, 24, generator=torch.Generator().manual_seed(0))


def constant(dx: float, dy: float, size: tuple[int, int] = (20, 24)) -> torch.Tensor:
    """Return the flow [2, 2, h, w] of a pure shift."""
    return torch.tensor([dx, dy])[None, :, None, None].expand(2, 2, *size)


def swirl(size: tuple[int, int], height: float = 1.5) -> torch.Tensor:
    """Return a smooth displacement [1, 2, h, w] of some pixels, which changes by less than 0.3."""
    x, y = pixel_grid(torch.zeros(size))
    return height * torch.stack([(y / 6).sin() * (x / 9).cos(), (x / 7).sin() + 0 * y])[None]


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_zero_flow_is_the_identity(frames, mode):
    torch.testing.assert_close(warp(frames, constant(0, 0), mode), frames, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, 2), (-2, 5), (4, -3)])
def test_an_integer_shift_moves_pixels_exactly(frames, dx, dy):
    rolled = torch.roll(frames, (-dy, -dx), (1, 2))
    inside = (..., slice(6, -6), slice(6, -6))
    moved = warp(frames, constant(dx, dy))
    torch.testing.assert_close(moved[inside], rolled[inside], atol=1e-5, rtol=0)


def test_flow_points_right_and_down_into_the_frame():
    frame = torch.zeros(1, 9, 9)
    frame[0, 5, 7] = 1  # row 5, column 7
    seen = warp(frame, constant(3, 1, (9, 9))[:1])[0]
    assert float(seen[4, 4]) == pytest.approx(1, abs=1e-5)


def test_half_a_pixel_of_a_ramp_is_half_a_step():
    ramp = torch.arange(24.0).expand(2, 20, 24)
    moved = warp(ramp, constant(0.5, 0))
    torch.testing.assert_close(moved[..., 2:-3], ramp[..., 2:-3] + 0.5, atol=1e-4, rtol=0)


def test_edges_reflect():
    ramp = torch.arange(24.0).expand(2, 20, 24)
    assert float(warp(ramp, constant(-2, 0), "bilinear")[0, 0, 0]) == pytest.approx(2, abs=1e-4)


def test_a_smaller_grid_starts_at_the_first_pixel(frames):
    part = warp(frames, constant(0, 0, (7, 5)))
    torch.testing.assert_close(part, frames[:, :7, :5], atol=1e-5, rtol=0)


def test_adding_row_motion_moves_whole_rows():
    flow = swirl((6, 8)).expand(3, -1, -1, -1)
    motion = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(1))
    total = compose(flow, motion)
    moved = total - flow
    torch.testing.assert_close(moved[:, :, :, 0], moved[:, :, :, 7])
    torch.testing.assert_close(moved[2, :, 4, 3], motion[2, 4])


def test_without_row_motion_the_flow_stays():
    flow = swirl((6, 8))
    assert compose(flow, None) is flow


def test_an_inverted_shift_is_the_same_shift():
    torch.testing.assert_close(invert(constant(1.25, -0.5)), constant(1.25, -0.5))


def test_inversion_brings_every_point_back():
    displacement = swirl((48, 64))
    flow = invert(displacement)
    there = torch.stack([warp(displacement[:, axis], flow, "bilinear") for axis in (0, 1)], dim=1)
    inside = (..., slice(4, -4), slice(4, -4))
    assert float((there - flow)[inside].abs().max()) < 0.02
    assert float(flow.abs().max()) > 1


def test_a_warp_is_undone_by_its_inverse():
    x, y = pixel_grid(torch.zeros(48, 64))
    scene = ((x / 5).sin() + (y / 4).cos())[None]
    displacement = swirl((48, 64))
    # The frame shows at q what the scene has at q - displacement(q).
    frame = warp(scene, -displacement)
    restored = warp(frame, invert(displacement, iterations=8))
    inside = (..., slice(6, -6), slice(6, -6))
    assert float((restored - scene)[inside].abs().max()) < 0.02


@pytest.mark.parametrize(("frequency", "lost"), [(0.1, 1e-3), (0.25, 2e-3), (0.375, 0.01)])
def test_a_finer_image_keeps_its_pixels_and_has_what_is_between(frequency, lost):
    def wave(x):
        return torch.cos(2 * torch.pi * frequency * x).expand(2, 40, -1)

    fine = twice_as_fine(wave(torch.arange(48)))
    assert fine.shape == (2, 79, 95)
    assert torch.equal(fine[:, ::2, ::2], wave(torch.arange(48)))
    halfway = wave(torch.arange(47) + 0.5)
    assert float((fine[:, ::2, 1::2] - halfway)[..., 8:-8].abs().max()) < lost
    torch.testing.assert_close(twice_as_fine(wave(torch.arange(48)).mT), fine.mT)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75])
def test_a_finer_image_is_moved_without_losing_contrast(share):
    def wave(x):
        return torch.cos(2 * torch.pi * 0.375 * x).expand(2, 40, -1)

    flow = torch.tensor([2 + share, 0.0]).reshape(1, 2, 1, 1).expand(2, 2, 40, 48)
    moved = warp_finer(twice_as_fine(wave(torch.arange(48))), flow)
    inside = (..., slice(8, -8), slice(8, -12))
    wanted = wave(torch.arange(48) + 2 + share)
    assert float((moved - wanted)[inside].abs().max()) < 0.04
    if share == 0.5:
        assert float((warp(wave(torch.arange(48)), flow) - wanted)[inside].abs().max()) > 0.3


def test_a_field_keeps_its_corners_and_its_ramps():
    ramp = torch.arange(-1.0, 8.0).expand(1, 2, 4, 9)
    row = resize_field(ramp, (13, 33))[0, 1, 6]
    torch.testing.assert_close(row[[0, -1]], torch.tensor([-1.0, 7.0]))
    # The bicubic kernel that torch has bends a ramp by up to a twentieth of a step.
    torch.testing.assert_close(row[8:-8], torch.linspace(1, 5, 17), atol=0.05, rtol=0)


def test_a_field_of_the_right_size_stays():
    field = swirl((5, 6))
    assert resize_field(field, (5, 6)) is field


def test_places_on_a_frame_are_told_from_those_beside_it():
    x = torch.tensor([-0.1, 0.0, 4.0, 4.1, 2.0, 2.0])
    y = torch.tensor([1.0, 0.0, 2.0, 1.0, -0.1, 2.1])
    assert within(x, y, (3, 5)).tolist() == [False, True, True, False, False, False]
    assert within(x, y, (3, 5), border=-0.2).all()
    assert within(x, y, (3, 5), border=1).tolist() == [False] * 6


@pytest.mark.parametrize("farthest", [0.0, 2.5, 9.0, 40.0])
@pytest.mark.parametrize("size", [(31, 24), (6, 5)])
def test_samples_beyond_an_edge_are_mirrored_however_far_they_lie(farthest, size):
    draw = torch.Generator().manual_seed(0)
    frames = torch.rand(3, *size, generator=draw)
    flow = farthest * (2 * torch.rand(3, 2, *size, generator=draw) - 1)
    x, y = pixel_grid(flow)
    grid = torch.stack(
        [2 * (x + flow[:, 0]) / (size[1] - 1) - 1, 2 * (y + flow[:, 1]) / (size[0] - 1) - 1], -1
    )
    expected = functional.grid_sample(
        frames[:, None], grid, mode="bicubic", padding_mode="reflection", align_corners=True
    )[:, 0]
    assert torch.allclose(warp(frames, flow), expected, atol=2e-5)


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_one_flow_for_all_frames_gives_the_same_as_one_for_each(frames, mode):
    flow = 2 * torch.rand(1, 2, 20, 24, generator=torch.Generator().manual_seed(1))
    shared = warp(frames, flow.expand(2, -1, -1, -1), mode)
    assert torch.equal(shared, warp(frames, flow.repeat(2, 1, 1, 1), mode))


def test_points_are_sampled_as_a_flow_leads_to_them_and_beyond_edges_as_on_them(frames):
    flow = torch.full((1, 2, *frames.shape[-2:]), 0.3)
    x, y = pixel_grid(flow)
    there = torch.stack(torch.broadcast_tensors(x + 0.3, y + 0.3))
    inside = (..., slice(3, -3), slice(3, -3))
    moved = warp(frames, flow.expand(len(frames), -1, -1, -1))
    torch.testing.assert_close(sample(frames, there)[inside], moved[inside])
    beyond = sample(frames, there - 1000)
    torch.testing.assert_close(beyond, frames[:, :1, :1].expand_as(beyond))


def test_where_lines_cross_a_plane_keeps_its_heights_and_ends_at_its_edges():
    x, y = torch.tensor([-3.0, 0.25, 2.0, 9.0]), torch.tensor([1.5, 3.75, 4.0, 8.0])
    heights = torch.arange(5.0)[:, None] * 10 + torch.arange(4.0)
    found = sample_lines(heights[None], x, y)[0]
    torch.testing.assert_close(found, y.clamp(0, 4)[:, None] * 10 + x.clamp(0, 3))
