"""A sequence of a published set that is given as a stack has its frames alone; truths go beside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from burst.files.find import find_stacks
from burst.files.layouts.published import truths_beside
from burst.files.read import ReadOptions, read_stack
from burst.records import Shutter

LAYOUTS = {
    "demo": ("rs_{n}.png", ("gs_{n}_f.png", "gs_{n}_m.png"), 0.0),
    "fastec": ("{n:03d}_rolling.png", ("{n:03d}_global_first.png", "{n:03d}_global_middle.png"), 1),
    "carla": ("{n:04d}_rs.png", ("{n:04d}_gs_f.png", "{n:04d}_gs_m.png"), 1),
    "bs-rsc": ("RS/{n:05d}.png", ("GS/{n:05d}.png",), 0.425),
}


def write_set(folder: Path, layout: str, put, frames: int = 3) -> None:
    recorded, truths, _ = LAYOUTS[layout]
    for n in range(frames):
        put(folder / recorded.format(n=n), n)
        for k, truth in enumerate(truths):
            put(folder / truth.format(n=n), 10 + 10 * k + n)
        if layout == "carla":
            put(folder / f"{n:04d}_mask.png", 50)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_truths_are_not_taken_as_frames(tmp_path: Path, put, picture, layout: str) -> None:
    write_set(tmp_path / "one", layout, put)
    (path,) = find_stacks([str(tmp_path / "one")])
    stack = read_stack(path, ReadOptions(colour=True))
    np.testing.assert_array_equal(stack.colour, [picture(n) for n in range(3)])
    assert stack.sensor.shutter is Shutter.ROLLING
    assert stack.sensor.readout_ratio(stack.height) == pytest.approx(LAYOUTS[layout][2])
    found = truths_beside(path)
    assert [truth.frame for truth in found] == sorted(list(range(3)) * len(LAYOUTS[layout][1]))


def test_the_folders_of_a_set_are_stacks(tmp_path: Path, put) -> None:
    for name in ("a", "b"):
        write_set(tmp_path / name, "bs-rsc", put)
    assert find_stacks([str(tmp_path)]) == [tmp_path / "a/RS", tmp_path / "b/RS"]


def test_pairs_keep_their_directions(tmp_path: Path, put) -> None:
    for i, way in enumerate(("t2b", "b2t")):
        put(tmp_path / "RS" / f"00000000_rs_{way}.png", i)
    put(tmp_path / "GS" / "00000000_gs_004.png", 5)
    (path,) = find_stacks([str(tmp_path)])
    stack = read_stack(path)
    assert (stack.scan.tolist(), stack.sensor.shutter) == ([1, -1], Shutter.DUAL_REVERSED)
    assert [truth.share for truth in truths_beside(path)] == [0.5]


def test_a_sidecar_has_the_last_word(tmp_path: Path, put) -> None:
    write_set(tmp_path, "fastec", put)
    (tmp_path / "stack.toml").write_text("frame_time = 0.1\nrow_time = 0.002\n")
    assert read_stack(tmp_path).sensor.readout_ratio(20) == pytest.approx(0.4)


def test_frames_that_are_no_set_are_all_taken(tmp_path: Path, put) -> None:
    for name in ("rs_0.png", "rs_1.png", "b.png"):
        put(tmp_path / name, 1)
    stack = read_stack(tmp_path)
    assert (stack.count, stack.sensor.shutter) == (3, Shutter.GLOBAL)
    assert truths_beside(tmp_path) == ()


def test_truths_that_are_missing_elsewhere_do_no_harm(tmp_path: Path, put) -> None:
    write_set(tmp_path, "bs-rsc", put)
    (tmp_path / "GS/00001.png").unlink()
    assert read_stack(tmp_path / "RS").count == 3
    assert truths_beside(tmp_path / "RS") == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_closed_folder_above_does_no_harm(tmp_path: Path, put) -> None:
    put(tmp_path / "up/mine/0.png", 0)
    put(tmp_path / "up/mine/1.png", 1)
    (tmp_path / "up").chmod(0o111)
    try:
        assert read_stack(tmp_path / "up/mine").count == 2
    finally:
        (tmp_path / "up").chmod(0o755)
