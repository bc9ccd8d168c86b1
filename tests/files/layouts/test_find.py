"""A layout is recognised by its files, or told to be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from burst.files.layouts.find import list_sequences
from burst.records import StackError


def test_several_sets_are_listed_at_once(tmp_path: Path, put) -> None:
    put(tmp_path / "b" / "rs_0.png", 0)
    put(tmp_path / "a" / "0_t2b.png", 0)
    put(tmp_path / "a" / "0_b2t.png", 0)
    put(tmp_path / "c" / "photo.png", 0)
    found = list_sequences(tmp_path)
    assert [(one.name, one.layout) for one in found] == [("a", "dual-pairs"), ("b", "demo")]


def test_a_layout_that_is_named_is_the_only_one(tmp_path: Path, put) -> None:
    for i in range(2):
        put(tmp_path / "b" / f"rs_{i}.png", i)
    (alone,) = list_sequences(tmp_path, "frames")
    assert (alone.layout, alone.count) == ("frames", 2)
    with pytest.raises(StackError, match=r"expected the layout fastec \(<n>_rolling\.png"):
        list_sequences(tmp_path, "fastec")


def test_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="expected a rolling-shutter set, a video or a folder"):
        list_sequences(tmp_path)
    with pytest.raises(StackError, match="found nothing there"):
        list_sequences(tmp_path / "none")
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(StackError, match="found none"):
        list_sequences(tmp_path / "a.txt")


def test_a_misspelt_layout_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"Did you mean 'fastec'\?"):
        list_sequences(tmp_path, "fasttec")


def test_folders_are_searched_no_deeper_than_sets_go(tmp_path: Path, put) -> None:
    put(tmp_path / "1" / "2" / "3" / "4" / "rs_0.png", 0)
    put(tmp_path / "1" / "2" / "3" / "5" / "6" / "rs_0.png", 0)
    assert [one.name for one in list_sequences(tmp_path)] == ["1/2/3/4"]


def test_every_public_recording_is_recognised(data: Path) -> None:
    found = {one.name: one for one in list_sequences(data / "rolling_shutter")}
    assert {one.layout for one in found.values()} == {"demo", "dual-pairs"}
    assert found["fastec_rssr00"].read().truths.shape == (4, 480, 640)
    assert found["dualreversed_r0"].read().scan.tolist() == [1, -1]
