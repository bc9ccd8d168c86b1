"""What whole rows are displaced by is told apart from the air."""

import torch
from simulated import rms

from burst.ops.alignment.rows import separate
from burst.ops.turbulence.air import Air, tilt_to_pixels, zernike_fields
from burst.ops.warp import compose, resize_field

FRAMES, HEIGHT, WIDTH = 40, 128, 144
NO_AIR = torch.zeros(2)


def swinging(height: float, seed: int = 0) -> torch.Tensor:
    """Return row motion [n, h, 2] px: slow waves of random phase, zero on average over frames."""
    phase = 6.28 * torch.rand(FRAMES, 1, 2, generator=torch.Generator().manual_seed(seed))
    y = torch.arange(HEIGHT)[None, :, None]
    motion = height * (2 * torch.pi * y / 100 + phase).sin()
    return motion - motion.mean(0)


def of_air(d_over_r0: float) -> torch.Tensor:
    """Return displacements [n, 2, h, w] px by air alone."""
    air = Air(d_over_r0, modes=3, coherence=0.0)
    tilts = zernike_fields(air, (17, 19), 8.0, FRAMES, torch.Generator().manual_seed(5))
    return resize_field(tilts * tilt_to_pixels(1.0), (HEIGHT, WIDTH))


def no_flow() -> torch.Tensor:
    """Return the flow [n, 2, h, w] of still air."""
    return torch.zeros(FRAMES, 2, HEIGHT, WIDTH)


def within_frames(motion: torch.Tensor) -> torch.Tensor:
    """Return row motion [n, h, 2] less each frame's own mean."""
    return motion - motion.mean(1, keepdim=True)


def test_in_still_air_all_motion_is_the_cameras():
    motion = swinging(1.0)
    found = separate(compose(no_flow(), motion), NO_AIR)
    assert rms(found - motion) < 0.05 * rms(motion)


def test_motion_of_columns_is_the_airs():
    columns = (
        no_flow()
        + 0.8
        * torch.sin(torch.arange(WIDTH) / 16 + torch.arange(FRAMES)[:, None])[:, None, None, :]
    )
    assert rms(within_frames(separate(columns, NO_AIR))) < 0.02


def test_isotropic_air_is_mostly_left_to_the_air():
    flow = of_air(3.0)
    kept = within_frames(separate(flow, NO_AIR))
    assert rms(kept) < 0.7 * rms(within_frames(flow.mean(3).movedim(1, 2)))


def test_the_air_moves_rows_down_as_much_as_columns_right():
    phase = 6.28 * torch.rand(FRAMES, 1, generator=torch.Generator().manual_seed(3))
    wave = torch.sin(torch.arange(HEIGHT) / 16 + phase)
    flow = torch.zeros(FRAMES, 2, HEIGHT, HEIGHT)
    flow[:, 0], flow[:, 1] = wave[:, None, :], wave[:, :, None]
    assert rms(within_frames(separate(flow, NO_AIR))) < 0.02


def test_strong_shaking_is_told_from_weak_air():
    motion = swinging(2.0)
    found = separate(compose(of_air(1.0), motion), NO_AIR)
    assert rms(within_frames(found - motion)) < 0.3 * rms(within_frames(motion))


def whole_frames() -> torch.Tensor:
    """Return row motion [n, h, 2] px of unit variance, the same for all rows of a frame."""
    shift = torch.randn(FRAMES, 1, 2, generator=torch.Generator().manual_seed(2))
    return shift.expand(-1, HEIGHT, -1)


def test_a_shift_of_the_whole_frame_is_the_airs_if_the_air_is_that_strong():
    shifted = compose(no_flow(), whole_frames())
    assert not separate(shifted, torch.tensor([4.0, 4.0])).any()
    only_x = separate(shifted, torch.tensor([0.0, 4.0]))
    assert rms(only_x[..., 0]) > 0.5
    assert not only_x[..., 1].any()


def test_in_still_air_a_shift_of_the_whole_frame_is_the_cameras():
    motion = whole_frames()
    torch.testing.assert_close(
        separate(compose(no_flow(), motion), NO_AIR), motion, atol=1e-4, rtol=0
    )
