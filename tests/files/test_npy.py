"""Arrays keep their values whatever the order of their axes and the type of their numbers."""

from pathlib import Path

import numpy as np
import pytest

from burst.files.npy import frames_first
from burst.files.read import ReadOptions, read_stack
from burst.records import StackError

SQUARE = np.arange(5 * 20 * 20, dtype=np.uint16).reshape(5, 20, 20)


def test_frames_first_is_mapped_and_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", SQUARE)
    stack = read_stack(tmp_path / "clip.npy")
    assert isinstance(stack.frames, np.memmap)
    np.testing.assert_array_equal(stack.frames, SQUARE)
    assert (stack.name, stack.sensor.white_level) == ("clip", 4095)


def test_frames_last_is_a_view_of_the_mapped_file(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", np.moveaxis(SQUARE, 0, -1))
    stack = read_stack(tmp_path / "clip.npy")
    assert isinstance(stack.frames, np.memmap)
    np.testing.assert_array_equal(stack.frames, SQUARE)


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "u4", "i8", "f2", "f4", "f8", ">u2", ">f4"])
def test_any_type_that_holds_whole_numbers_becomes_dn(tmp_path: Path, kind: str) -> None:
    frames = (SQUARE % 200).astype(kind)
    np.save(tmp_path / "clip.npy", frames)
    stack = read_stack(tmp_path / "clip.npy")
    np.testing.assert_array_equal(stack.frames, SQUARE % 200)


def test_eight_bits_are_white_at_255(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", (SQUARE % 200).astype(np.uint8))
    assert read_stack(tmp_path / "clip.npy").sensor.white_level == 255


def test_the_axis_option_settles_what_the_shape_leaves_open(tmp_path: Path) -> None:
    frames = np.arange(17 * 18 * 19, dtype=np.uint16).reshape(17, 18, 19) % 4000
    np.save(tmp_path / "clip.npy", frames)
    for axis, shape in (("frames-first", (17, 18, 19)), ("frames-last", (19, 17, 18))):
        options = ReadOptions(axis=axis, white_level=4095)  # type: ignore[arg-type]
        assert read_stack(tmp_path / "clip.npy", options).frames.shape == shape


def test_an_array_of_fortran_order_is_read_alike(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", np.asfortranarray(SQUARE))
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.npy").frames, SQUARE)


@pytest.mark.parametrize("names", [("frames",), ("only",), ("truth", "frames")])
def test_an_archive_gives_its_frames(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = dict.fromkeys(names, SQUARE * 0) | {names[-1]: SQUARE}
    np.savez(tmp_path / "clip.npz", **arrays)
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.npz").frames, SQUARE)


def test_other_ranks_pass_for_the_shape_check_to_name_them() -> None:
    assert frames_first("clip", np.zeros((4, 5)), None).shape == (4, 5)


@pytest.mark.parametrize("count", [24, 32])
@pytest.mark.parametrize("width", [32, 90])
def test_as_many_frames_as_rows_are_asked_about(tmp_path: Path, count: int, width: int) -> None:
    """The equal sides would say the other order; what the frames show says that it is wrong."""
    scene = np.random.default_rng(3).integers(500, 3000, (count, width))
    frames = np.stack([scene + 10 * k for k in range(count)]).astype(np.uint16)
    for order in (frames, np.moveaxis(frames, 0, -1)):
        np.save(tmp_path / "clip.npy", order)
        if width == count:
            continue
        with pytest.raises(StackError, match="which could be either"):
            read_stack(tmp_path / "clip.npy")
        axis = "frames-first" if order is frames else "frames-last"
        options = ReadOptions(axis=axis)  # type: ignore[arg-type]
        np.testing.assert_array_equal(read_stack(tmp_path / "clip.npy", options).frames, frames)


def test_square_frames_are_told_by_their_sides_and_confirmed_by_what_they_show(
    tmp_path: Path,
) -> None:
    scene = np.random.default_rng(3).integers(500, 3000, (40, 40))
    frames = np.stack([scene + 10 * k for k in range(24)]).astype(np.uint16)
    for order in (frames, np.moveaxis(frames, 0, -1)):
        np.save(tmp_path / "clip.npy", order)
        np.testing.assert_array_equal(read_stack(tmp_path / "clip.npy").frames, frames)


def test_frames_of_an_archive_are_told_from_what_describes_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "clip.npz", stack=SQUARE, times=np.arange(5), dark=SQUARE[0])
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.npz").frames, SQUARE)


@pytest.mark.parametrize("axes", [(1,), (-1,), (0,), (0, 1)])
def test_axes_of_length_one_are_dropped(tmp_path: Path, axes: tuple[int, ...]) -> None:
    np.save(tmp_path / "clip.npy", np.expand_dims(SQUARE, axes))
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.npy").frames, SQUARE)


@pytest.mark.parametrize("name", ["clip.npy", "clip.npz"])
@pytest.mark.parametrize("content", [b"hello", b"\x80\x04K\x01.", b""])
def test_a_file_of_another_kind_is_not_called_unsafe(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StackError, match=r"Write it again with numpy\.save") as caught:
        read_stack(tmp_path / name)
    assert "pickle" not in str(caught.value)
