"""What is simulated and written is read back as it was."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from burst.data.rolling import draw_layers, simulate_shutter
from burst.files.layouts.find import list_sequences
from burst.files.layouts.simulated import write_sequence
from burst.files.read import read_stack
from burst.files.sequence import Sequence
from burst.records import NoiseModel, Sensor, Shutter, StackError


def simulated(kind: Shutter) -> Sequence:
    """Return four noisy frames 20x24 of a moving scene."""
    still = torch.rand(40, 48, generator=torch.Generator().manual_seed(0))
    sensor = Sensor(
        black_level=256, noise=NoiseModel(1e-4, 1e-6), shutter=kind,
        exposure_time=1 / 300, row_time=0.7 / 30 / 20, frame_time=1 / 30,
    )  # fmt: skip
    scene = draw_layers(still, (20, 24), 120.0, 0.5, 0)
    return simulate_shutter(scene, sensor, 4, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [kind for kind in Shutter if kind is not Shutter.GLOBAL])
def test_simulate_write_read_is_a_round_trip(tmp_path: Path, kind: Shutter) -> None:
    written = simulated(kind)
    write_sequence(tmp_path / "a", written)
    (listed,) = list_sequences(tmp_path)
    read = listed.read()
    assert (listed.name, listed.layout, listed.count) == ("a", "simulated", 4)
    for name in (field.name for field in fields(Sequence)):
        if name not in ("name", "source"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    np.testing.assert_array_equal(read.instants, written.instants)


def test_a_part_of_it_has_the_truths_of_that_part(tmp_path: Path) -> None:
    written = simulated(Shutter.ROLLING)
    write_sequence(tmp_path / "a", written)
    part = list_sequences(tmp_path / "a")[0].read(2, 3)
    np.testing.assert_array_equal(part.truths, written.truths[18:27])
    assert set(part.truth_frame) == {0}
    np.testing.assert_allclose(part.instants, written.instants[18:27] - 2 / 30)


def test_it_is_a_stack_for_every_pipeline(tmp_path: Path) -> None:
    written = simulated(Shutter.DUAL_REVERSED)
    write_sequence(tmp_path / "a", written)
    stack = read_stack(tmp_path / "a")
    assert stack.sensor == written.sensor
    np.testing.assert_array_equal(stack.frames, written.frames)
    np.testing.assert_array_equal(stack.scan, written.scan)


def test_colour_is_written_red_first(tmp_path: Path) -> None:
    grey = simulated(Shutter.ROLLING)
    colour = np.stack([grey.frames, grey.frames // 2, grey.frames // 3], axis=-1)
    none = {"truths": colour[:0], "truth_frame": np.zeros(0), "truth_share": np.zeros(0)}
    write_sequence(tmp_path / "a", replace(grey, frames=colour, **none))
    read = list_sequences(tmp_path / "a")[0].read()
    np.testing.assert_array_equal(read.frames, colour)
    assert len(read.truths) == 0


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("mine")
    with pytest.raises(StackError, match="expected an empty place"):
        write_sequence(tmp_path / "a", simulated(Shutter.ROLLING))
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "mine.txt"]


@pytest.mark.parametrize("text", ["frame = [0]", "frame = [0]\nshare = [0.5]", "frame ="])
def test_a_damaged_table_of_truths_is_told(tmp_path: Path, text: str) -> None:
    write_sequence(tmp_path / "a", simulated(Shutter.ROLLING))
    (tmp_path / "a" / "truth" / "truth.toml").write_text(text)
    with pytest.raises(StackError, match=r"truth\.toml: expected frame = .* Simulate it again"):
        list_sequences(tmp_path)
