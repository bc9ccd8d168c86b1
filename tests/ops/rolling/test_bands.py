"""A camera's motion in bands of rows, in plain scenes and beside what moves by itself."""

import numpy as np
import pytest
import torch

from burst.ops.rolling.bands import (
    BANDS,
    CELLS,
    camera_motion,
    motion_from_flow,
    motion_from_pixels,
)
from burst.ops.warp import pixel_grid, warp

H, W = 128, 96
NOBODY = np.zeros((BANDS, CELLS), bool)


def texture(seed: int) -> torch.Tensor:
    """Return a smooth random image [H, W] of about 20 to 230."""
    grains = torch.randn(1, H, W, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(grains[None], 5, 1, 2)[0, 0]
    return 128 + 200 * smooth


def swaying() -> torch.Tensor:
    """Return the flow [2, H, W] of a camera that sways while rows are read."""
    _, y = pixel_grid(torch.zeros(H, W))
    across = 3 + 1.5 * (y / 40).sin()
    return torch.stack([across.expand(H, W), (0.5 + 0 * y).expand(H, W)])


def frames(scene: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return a scene before and after it has moved, as bytes."""
    before = warp(scene[None], swaying()[None])[0]
    return tuple(image.round().clamp(0, 255).byte().numpy() for image in (before, scene))


def expected() -> np.ndarray:
    rows = swaying()[:, :, 0].T
    return np.stack([part.mean(0).numpy() for part in rows.tensor_split(BANDS)])


def test_pixels_tell_what_flow_tells_only_about():
    before, after = frames(texture(0))
    about = expected() + np.random.default_rng(0).normal(0, 0.4, (BANDS, 2))
    found = motion_from_pixels(torch.from_numpy(np.stack([before, after])).float(), about, NOBODY)
    assert np.abs(found - expected()).max() < 0.05


def test_flow_that_is_drawn_to_zero_where_nothing_shows_is_mended():
    scene = texture(1)
    scene[:, 30:] = 128.0
    flow = swaying()
    flow[:, :, 30:] *= 0.5
    rough, _ = motion_from_flow(flow, torch.ones(H, W))
    assert np.abs(rough - expected())[1:-1].max() > 1
    found = camera_motion(*frames(scene), flow, torch.ones(H, W))
    assert np.abs(found - expected())[1:-1].max() < 0.1


def test_what_moves_by_itself_is_left_out():
    before, after = frames(texture(2))
    flow = swaying()
    flow[0, 40:90, 30:70] += 6
    other = texture(3).round().clamp(0, 255).byte().numpy()
    before[40:90, 30:70], after[40:90, 36:76] = other[40:90, 30:70], other[40:90, 30:70]
    _, outlier = motion_from_flow(flow, torch.ones(H, W))
    assert outlier.any()
    found = camera_motion(before, after, flow, torch.ones(H, W))
    assert np.abs(found - expected()).max() < 0.1


def test_bands_that_show_nothing_stay_unknown():
    scene = texture(4)
    scene[:32] = 128.0
    found = camera_motion(*frames(scene), swaying(), torch.ones(H, W))
    assert np.isnan(found[:3]).all()
    assert np.abs(found - expected())[6:-1].max() < 0.1


@pytest.mark.parametrize("trust", [0.0, 1.0])
def test_without_texture_or_trust_nothing_is_known(trust):
    plain = np.full((H, W), 77, np.uint8)
    assert np.isnan(camera_motion(plain, plain, swaying(), torch.full((H, W), trust))).all()
