"""Sharpness counts detail of the scene and nothing of the noise."""

import pytest
import torch
from simulated import camera_scene

from burst.ops.blur.psf import blur, short_exposure
from burst.ops.frames.sharpness import tile_sharpness
from burst.records import NoiseModel

SILENT = NoiseModel(0.0, 0.0)


@pytest.fixture(scope="module")
def scene() -> torch.Tensor:
    """Return the face of the camera man [1, 128, 128]."""
    return camera_scene()[None, 80:208, 160:288]


def noisy(frames: torch.Tensor, noise: NoiseModel, seed: int = 0) -> torch.Tensor:
    """Return frames with the model's noise."""
    draw = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed))
    return frames + (noise.shot * frames + noise.read).sqrt() * draw


def test_a_flat_frame_is_not_sharp():
    flat = tile_sharpness(torch.full((1, 64, 64), 0.4), SILENT, 32)
    assert flat.shape == (1, 2, 2)
    assert float(flat.max()) < 1e-10


def test_blur_takes_sharpness(scene):
    frames = torch.cat([blur(scene, short_exposure(d, 1.0, 0.0, 33)) for d in (0.5, 2.0, 5.0)])
    sharpness = tile_sharpness(frames, SILENT, 32).mean((1, 2))
    assert bool((sharpness.diff() < 0).all())


@pytest.mark.parametrize("noise", [NoiseModel(3e-3, 1e-5), NoiseModel(3e-3, 7e-4)])
def test_noise_does_not_pass_for_sharpness(scene, noise):
    faint = 0.3 + 0.2 * scene
    truth = float(tile_sharpness(faint, SILENT, 128))
    frames = noisy(faint.expand(40, -1, -1), noise)
    assert float(tile_sharpness(frames, noise, 128).mean()) == pytest.approx(truth, rel=0.1)
    assert float(tile_sharpness(frames, SILENT, 128).mean()) > 1.5 * truth


def test_a_tile_speaks_for_its_own_place(scene):
    frame = scene.clone()
    frame[:, :64, :64] = 0.3
    tiles = tile_sharpness(frame, SILENT, 32)[0]
    assert float(tiles[0, 0]) < 1e-10
    assert float(tiles[3, 3]) > 1e-6


def test_sharpness_grows_with_the_square_of_contrast(scene):
    one, half = (float(tile_sharpness(c * scene, SILENT, 64).mean()) for c in (1.0, 0.5))
    assert half == pytest.approx(one / 4, rel=1e-3)


def test_a_frame_smaller_than_a_tile_is_one_tile():
    assert tile_sharpness(torch.rand(3, 20, 24), SILENT, 64).shape == (3, 1, 1)
