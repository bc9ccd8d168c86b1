"""Planes and mosaic are two views of the same values, for each of the four patterns."""

import numpy as np
import pytest
import torch

from burst.ops.bayer import cfa_sites, demosaic, mosaic_to_planes, planes_to_mosaic, split_planes
from burst.records import BAYER_PATTERNS, Sensor, Stack, StackError


def colored(cfa: str, height: int = 8, width: int = 12) -> torch.Tensor:
    """A mosaic [h, w] of a flat scene: red 1, green 2, blue 3."""
    cell = torch.tensor([float("RGB".index(c)) + 1 for c in cfa]).reshape(2, 2)
    return cell.repeat(height // 2, width // 2)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_there_and_back_is_the_identity(cfa: str) -> None:
    mosaic = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))
    planes = mosaic_to_planes(mosaic, cfa)
    assert planes.shape == (3, 4, 3, 4)
    torch.testing.assert_close(planes_to_mosaic(planes, cfa), mosaic, rtol=0, atol=0)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_planes_are_red_green_green_blue(cfa: str) -> None:
    planes = mosaic_to_planes(colored(cfa), cfa)
    assert planes.mean(dim=(1, 2)).tolist() == [1, 2, 2, 3]


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_the_first_green_shares_its_rows_with_red(cfa: str) -> None:
    red, green_1, green_2, blue = cfa_sites(cfa)
    assert (red[0], blue[0]) == (green_1[0], green_2[0])


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_demosaicking_a_flat_scene_gives_its_colours(cfa: str) -> None:
    rgb = demosaic(colored(cfa), cfa)
    expected = torch.tensor([1.0, 2.0, 3.0])[:, None, None].expand(3, 8, 12)
    torch.testing.assert_close(rgb, expected)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_demosaicking_keeps_a_grey_ramp_in_place(cfa: str) -> None:
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(12.0), indexing="ij")
    rgb = demosaic(x + 2 * y - 5, cfa)
    expected = (x + 2 * y - 5).expand(3, 10, 12)
    torch.testing.assert_close(rgb[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2])


def test_odd_sizes_and_unknown_patterns_are_explained() -> None:
    with pytest.raises(StackError, match=r"rows and columns, found 5 x 6\. Leave"):
        mosaic_to_planes(torch.zeros(5, 6), "RGGB")
    with pytest.raises(StackError, match=r"found 'mono'\. A mono stack has no planes"):
        mosaic_to_planes(torch.zeros(4, 6), "mono")


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_a_stack_splits_into_views_with_their_own_black(cfa: str) -> None:
    frames = np.tile(colored(cfa).numpy().astype(np.uint16), (2, 1, 1))
    blacks = tuple(0.1 * value for value in frames[0, :2, :2].ravel().tolist())
    sensor = Sensor(black_level=blacks, cfa=cfa, row_time=1e-5)  # type: ignore[arg-type]
    planes = split_planes(Stack(frames, sensor, name="clip"))
    assert [plane.name for plane in planes] == ["clip-R", "clip-G1", "clip-G2", "clip-B"]
    assert [int(plane.frames[1, 2, 3]) for plane in planes] == [1, 2, 2, 3]
    assert [plane.sensor.black_level for plane in planes] == pytest.approx([0.1, 0.2, 0.2, 0.3])
    assert all(np.shares_memory(plane.frames, frames) for plane in planes)
    assert all((plane.sensor.cfa, plane.sensor.row_time) == ("mono", 2e-5) for plane in planes)
    assert all(plane.sensor.sampling == 2 * sensor.sampling for plane in planes)


def test_an_odd_row_and_column_are_left_out() -> None:
    stack = Stack(np.ones((2, 7, 9), np.uint16), Sensor(cfa="RGGB"))
    assert {plane.frames.shape for plane in split_planes(stack)} == {(2, 3, 4)}
