"""What is typed becomes stacks, in natural order and each once."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from burst.files.find import find_stacks
from burst.files.read import read_stack
from burst.records import StackError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three arrays, a folder of frames, a results folder, and things that are no stacks."""
    for name in ("clip10.npy", "clip2.npy", "clip1.npy"):
        np.save(tmp_path / name, np.zeros((2, 16, 16), np.uint16))
    for folder in ("frames", "results"):
        (tmp_path / folder).mkdir()
        for index in range(2):
            (tmp_path / folder / f"{index}.png").write_bytes(b"")
    (tmp_path / "results" / "report.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.npy").write_bytes(b"")
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_of_stacks_gives_them_all(home: Path) -> None:
    expected = ["clip1.npy", "clip2.npy", "clip10.npy", "frames"]
    assert names(find_stacks([str(home)])) == expected


def test_a_folder_of_frames_is_one_stack(home: Path) -> None:
    assert find_stacks([str(home / "frames")]) == [home / "frames"]


def test_a_file_is_taken_at_its_word(home: Path) -> None:
    assert find_stacks([str(home / "notes.txt")]) == [home / "notes.txt"]


def test_a_glob_passes_over_what_is_no_stack(home: Path) -> None:
    assert names(find_stacks([f"{home}/*"])) == ["clip1.npy", "clip2.npy", "clip10.npy", "frames"]


def test_a_stack_named_twice_is_found_once(home: Path) -> None:
    assert len(find_stacks([f"{home}/clip1.npy", f"{home}/clip1*.npy"])) == 2


def test_a_bracket_in_a_name_is_no_glob(home: Path) -> None:
    os.rename(home / "clip1.npy", home / "clip[1].npy")
    assert names(find_stacks([str(home / "clip[1].npy")])) == ["clip[1].npy"]


def test_tiffs_of_many_pages_are_stacks_and_single_pages_are_frames(tmp_path: Path) -> None:
    for index in range(2):
        tifffile.imwrite(tmp_path / f"{index}.tif", np.zeros((5, 16, 16), np.uint16))
    assert names(find_stacks([str(tmp_path)])) == ["0.tif", "1.tif"]
    for index in range(2):
        tifffile.imwrite(tmp_path / f"{index}.tif", np.zeros((16, 16), np.uint16))
    assert find_stacks([str(tmp_path)]) == [tmp_path]


def test_raw_files_win_over_the_previews_beside_them(tmp_path: Path) -> None:
    for name in ("a.dng", "a.jpg", "b.dng", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert find_stacks([str(tmp_path)]) == [tmp_path]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere", "expected a file or folder, found nothing there. Check it"),
        ("*.ser", "expected stacks, found nothing. Pass npy"),
        ("*.txt", "found only other files. Pass npy"),
        ("frames/*.png", "found single frames only. Pass their folder"),
        ("results", "found the results of a former run. Pass the stack"),
    ],
)
def test_what_names_no_stack_is_explained(home: Path, pattern: str, message: str) -> None:
    with pytest.raises(StackError) as caught:
        find_stacks([str(home / pattern)])
    assert message in str(caught.value)


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("IMG_1.HEIC", "IMG_2.HEIC", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(StackError, match=r"found only \.heic, \.txt in it\. Pass npy"):
        find_stacks([str(tmp_path)])


def test_a_folder_of_frames_that_do_not_belong_together_stops_no_other(tmp_path: Path) -> None:
    for name in ("good/a.png", "good/b.png", "bad/a.png", "bad/thumb.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert names(find_stacks([str(tmp_path)])) == ["bad", "good"]
    with pytest.raises(StackError, match=r"bad: expected frames of one kind, found \.jpg and"):
        read_stack(tmp_path / "bad")


def test_an_empty_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"expected stacks, found none in it\. Pass npy"):
        find_stacks([str(tmp_path)])


def test_nothing_typed_is_explained() -> None:
    with pytest.raises(StackError, match="expected at least one path, found none"):
        find_stacks([])


def test_folders_of_folders_are_looked_through(tmp_path: Path) -> None:
    for place in ("high/a.npy", "high/b.npy", "low/night/a.npy"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / place, np.zeros((2, 16, 16), np.uint16))
    found = find_stacks([str(tmp_path)])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "high/a.npy", "high/b.npy", "low/night/a.npy",
    ]  # fmt: skip


def test_results_below_are_no_stacks(tmp_path: Path) -> None:
    for place in ("high/a.npy", "restored/overview-pictures/a.npy", "restored/a/restored.npy"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / place, np.zeros((2, 16, 16), np.uint16))
    (tmp_path / "restored/a/report.json").write_text("{}")
    assert find_stacks([str(tmp_path)]) == [tmp_path / "high/a.npy"]
