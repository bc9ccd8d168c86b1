"""Merging averages noise away and leaves out what does not belong."""

import pytest
import torch
from simulated import camera_scene, rms

from burst.ops.alignment.merge import effective_frames, robust_mean
from burst.ops.alignment.registration import smooth
from burst.records import NoiseModel

NOISE = NoiseModel(0.0, 1e-4)
FRAMES = 32


@pytest.fixture(scope="module")
def scene() -> torch.Tensor:
    """Return the camera man's face [64, 72]."""
    return smooth(camera_scene()[None, None, 90:154, 180:252], 1.0)[0, 0]


@pytest.fixture
def frames(scene) -> torch.Tensor:
    """Return frames [n, 64, 72] of the scene with noise."""
    draw = torch.Generator().manual_seed(0)
    return scene + NOISE.std(0) * torch.randn(FRAMES, 64, 72, generator=draw)


def still(frames: torch.Tensor) -> torch.Tensor:
    """Return zero displacement [n, 2, h, w]."""
    return torch.zeros(len(frames), 2, *frames.shape[1:])


def test_noise_falls_with_the_square_root_of_the_frames(scene, frames):
    merged = robust_mean(frames, still(frames), torch.ones(FRAMES), NOISE, 4.0)
    assert rms(merged.image - scene) == pytest.approx(NOISE.std(0) / FRAMES**0.5, rel=0.1)
    assert merged.variance == pytest.approx(NOISE.read / FRAMES, rel=0.2)
    assert merged.rejected < 1e-3


def test_something_that_flies_through_leaves_no_trace(scene, frames):
    frames[5, 10:20, 10:20] = 1.0
    plain = rms((frames.mean(0) - scene)[12:18, 12:18])
    merged = robust_mean(frames, still(frames), torch.ones(FRAMES), NOISE, 4.0)
    assert rms((merged.image - scene)[12:18, 12:18]) < 0.3 * plain
    assert merged.rejected == pytest.approx(100 / frames.numel(), rel=0.5)


def test_a_generous_limit_rejects_nothing(frames):
    frames[5, 10:20, 10:20] = 1.0
    merged = robust_mean(frames, still(frames), torch.ones(FRAMES), NOISE, 1e6)
    assert merged.rejected == 0
    torch.testing.assert_close(merged.image, frames.mean(0), atol=1e-5, rtol=0)


def test_a_frame_without_weight_does_not_count(scene, frames):
    frames[3] = 1.0
    weights = torch.ones(FRAMES)
    weights[3] = 0
    merged = robust_mean(frames, still(frames), weights, NOISE, 1e6)
    assert rms(merged.image - scene) < 1.2 * NOISE.std(0) / (FRAMES - 1) ** 0.5


def test_weights_weigh():
    frames = torch.stack([torch.full((8, 8), 0.2), torch.full((8, 8), 0.6)])
    merged = robust_mean(frames, still(frames), torch.tensor([3.0, 1.0]), NOISE, 1e6)
    torch.testing.assert_close(merged.image, torch.full((8, 8), 0.3))


def test_frames_are_taken_from_where_the_displacement_says(scene):
    frames = torch.stack([scene, torch.roll(scene, (2, -3), (0, 1))])
    displacement = still(frames)
    displacement[1, 0], displacement[1, 1] = -3, 2
    merged = robust_mean(frames, displacement, torch.ones(2), NOISE, 1e6)
    inside = (slice(6, -6), slice(6, -6))
    torch.testing.assert_close(merged.image[inside], scene[inside], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("weights", "frames"), [([1, 1, 1, 1], 4), ([2, 2, 0, 0], 2), ([4, 0, 0, 0], 1), ([3, 1], 1.6)]
)
def test_effective_frames_count_equal_weights(weights, frames):
    assert effective_frames(torch.tensor(weights, dtype=torch.float32)) == pytest.approx(frames)
