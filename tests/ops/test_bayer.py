"""Planes and mosaic are two views of the same values, for each of the four patterns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from burst.ops.bayer import (
    cfa_sites,
    demosaic,
    grey,
    join_colours,
    mosaic_to_planes,
    planes_to_mosaic,
    split_planes,
)
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
    ramp = 1 + (x + 2 * y - 5) / 100
    rgb = demosaic(ramp, cfa, (1.0, 1.0, 1.0001))
    expected = ramp.expand(3, 10, 12)
    torch.testing.assert_close(rgb[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2], atol=2e-4, rtol=0)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_demosaicking_keeps_detail_that_colours_share(cfa: str) -> None:
    x = torch.arange(64.0).expand(64, 64)
    grey = 0.5 + 0.3 * torch.sin(2 * torch.pi * x / 5)
    colours = torch.tensor([0.4, 1.0, 0.6])[:, None, None] * grey
    sites = planes_to_mosaic(mosaic_to_planes(torch.arange(64.0 * 64).reshape(64, 64), cfa), cfa)
    assert sites.flatten().tolist() == list(range(64 * 64))
    planes = [
        colours[c, row::2, column::2]
        for c, (row, column) in zip((0, 1, 1, 2), cfa_sites(cfa), strict=True)
    ]
    rgb = demosaic(planes_to_mosaic(torch.stack(planes), cfa), cfa, (2.5, 1.0, 1 / 0.6))
    error = (rgb - colours)[:, 4:-4, 4:-4].square().mean().sqrt() / colours.std()
    assert float(error) < 0.12  # bilinear: 0.27


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_joined_planes_keep_flat_colours_and_a_grey_ramp_in_place(cfa: str) -> None:
    planes = mosaic_to_planes(colored(cfa), cfa)
    expected = torch.tensor([1.0, 2.0, 3.0])[:, None, None].expand(2, 3, 8, 12)
    torch.testing.assert_close(
        join_colours(planes.repeat(2, 1, 1, 1), cfa), expected, atol=1e-3, rtol=0
    )
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(24.0), indexing="ij")
    ramp = 1 + (x + 2 * y - 5) / 100
    rgb = join_colours(mosaic_to_planes(ramp, cfa), cfa, (1.0, 1.0, 1.0001))
    inside = (..., slice(6, -6), slice(6, -6))
    torch.testing.assert_close(rgb[inside], ramp.expand(3, 20, 24)[inside], atol=1e-3, rtol=0)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_joined_planes_leave_no_maze_where_colours_are_unequally_sharp(cfa: str) -> None:
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    along = 0.8 * x + 0.6 * y - 67
    soft, sharp = (0.5 + 0.4 * torch.tanh(along / width) for width in (4.0, 2.5))
    truth = torch.stack([soft, sharp, soft])
    planes = torch.stack(
        [truth[c, y::2, x::2] for c, (y, x) in zip((0, 1, 1, 2), cfa_sites(cfa), strict=True)]
    )

    def maze(rgb: torch.Tensor) -> float:
        """What neighbours across and down differ by with changing sign, as a share of contrast."""
        error = (rgb - truth)[1, 8:-8, 8:-8]
        signs = torch.tensor([1.0, -1.0]).repeat(40)
        return float(
            max((error * signs).mean(1).abs().max(), (error.T * signs).mean(1).abs().max())
        )

    joined, plain = join_colours(planes, cfa), demosaic(planes_to_mosaic(planes, cfa), cfa)
    assert float((joined - truth)[:, 8:-8, 8:-8].square().mean()) < float(
        (plain - truth)[:, 8:-8, 8:-8].square().mean()
    )
    assert maze(joined) < 0.5 * maze(plain)


def test_grey_is_the_sum_of_every_cell() -> None:
    frames = np.zeros((2, 5, 6), np.uint16)
    frames[:, 0::2, 0::2], frames[:, 0::2, 1::2], frames[:, 1::2] = 100, 200, 400
    frames[1, 3, 3] = 4095
    stack = Stack(frames, Sensor(black_level=(10.0, 20.0, 20.0, 30.0), cfa="RGGB", row_time=1e-5))
    found = grey(stack)
    assert found.frames.shape == (2, 2, 3)
    assert found.frames[0].tolist() == [[1100] * 3] * 2
    assert (found.sensor.cfa, found.sensor.black, found.sensor.white_level) == ("mono", 80, 16380)
    assert found.frames[1, 1].tolist() == [1100, 16380, 1100]
    assert (found.sensor.sampling, found.sensor.row_time) == (2, 2e-5)
    wide = grey(replace(stack, sensor=replace(stack.sensor, white_level=65535)))
    assert (wide.frames[0, 0, 0], wide.sensor.black) == (275, 20)


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
