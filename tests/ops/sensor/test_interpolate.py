"""What defects read is replaced by what their neighbours say; all else stays."""

import torch

from burst.ops.sensor.interpolate import interpolate_defects


def ramp(frames: int = 2) -> torch.Tensor:
    """Return frames [n, 96, 128] of a smooth ramp from 0 to 0.8."""
    return torch.linspace(0, 0.8, 128).expand(frames, 96, 128)


def test_a_mended_pixel_is_the_median_of_its_neighbours():
    linear = ramp().clone()
    defect = torch.zeros(96, 128, dtype=torch.bool)
    defect[50, 60] = defect[0, 0] = True
    broken = linear.clone()
    broken[:, defect] = 1.0
    mended = interpolate_defects(broken, defect)
    assert float((mended - linear).abs().max()) < 0.01
    assert float(broken[0, 50, 60]) == 1
    assert torch.equal(mended[:, ~defect], linear[:, ~defect])


def test_without_defects_the_frames_stay():
    linear = ramp()
    assert interpolate_defects(linear, torch.zeros(96, 128, dtype=torch.bool)) is linear


def test_a_cluster_is_bridged_by_a_slope():
    linear = ramp().clone()
    defect = torch.zeros(96, 128, dtype=torch.bool)
    defect[40:43, 60:64] = True
    broken = linear.clone()
    broken[:, defect] = 0.0
    assert float((interpolate_defects(broken, defect) - linear).abs().max()) < 0.003


def test_rows_and_columns_are_bridged_and_the_border_is_continued():
    linear = ramp().clone()
    defect = torch.zeros(96, 128, dtype=torch.bool)
    defect[:4] = defect[50] = True
    defect[:, 70:73] = True
    broken = linear.clone()
    broken[:, defect] = -1.0
    assert float((interpolate_defects(broken, defect) - linear).abs().max()) < 0.02
