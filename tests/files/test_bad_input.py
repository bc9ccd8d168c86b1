"""Whatever is wrong with a stack, the message says what was expected, found, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from burst.files.read import ReadOptions, read_stack
from burst.records import StackError

GOOD = np.arange(3 * 20 * 20, dtype=np.uint16).reshape(3, 20, 20) + 100
Maker = Callable[[Path], Path]


def npy(array: np.ndarray) -> Maker:
    def make(folder: Path) -> Path:
        np.save(folder / "clip.npy", array, allow_pickle=True)
        return folder / "clip.npy"

    return make


def npz(**arrays: np.ndarray) -> Maker:
    def make(folder: Path) -> Path:
        np.savez(folder / "clip.npz", **arrays)
        return folder / "clip.npz"

    return make


def content(name: str, data: bytes) -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def cut(maker: Maker, size: int) -> Maker:
    def make(folder: Path) -> Path:
        path = maker(folder)
        path.write_bytes(path.read_bytes()[:size])
        return path

    return make


def images(*frames: np.ndarray, suffix: str = ".png") -> Maker:
    def make(folder: Path) -> Path:
        for index, frame in enumerate(frames):
            cv2.imwrite(str(folder / f"{index}{suffix}"), frame)
        return folder

    return make


def files(**contents: bytes) -> Maker:
    """Fill a folder: the last underscore of a name stands for the dot."""

    def make(folder: Path) -> Path:
        for name, data in contents.items():
            (folder / ".".join(name.rsplit("_", 1))).write_bytes(data)
        return folder

    return make


def tiff(*pages: np.ndarray) -> Maker:
    def make(folder: Path) -> Path:
        with tifffile.TiffWriter(folder / "clip.tif") as writer:
            for page in pages:
                writer.write(page, photometric="minisblack")
        return folder / "clip.tif"

    return make


def cube(array: np.ndarray | None) -> Maker:
    def make(folder: Path) -> Path:
        fits = pytest.importorskip("astropy.io.fits")
        fits.HDUList([fits.PrimaryHDU(array)]).writeto(folder / "clip.fits")
        return folder / "clip.fits"

    return make


def nowhere(folder: Path) -> Path:
    return folder / "nowhere.npy"


CASES: dict[str, tuple[Maker, str]] = {
    "empty npy": (content("clip.npy", b""), "Write it again with numpy.save"),
    "npy of text": (content("clip.npy", b"hello world, no array"), "Write it again"),
    "npy cut in its header": (cut(npy(GOOD), 40), "Write it again"),
    "npy cut in its data": (cut(npy(GOOD), 1000), "Write it again"),
    "npy of objects": (npy(np.array([None, 1], object)), "Write it again"),
    "npy of nothing": (npy(np.zeros((0, 20, 20), np.uint16)), "found 0. Pass the whole burst"),
    "npy that is an archive": (content("clip.npy", b"PK\x05\x06" + bytes(18)), "Name it .npz"),
    "a number": (npy(np.uint16(3)), "found 0 of shape (). Pass a stack"),
    "a row": (npy(GOOD[0, 0]), "expected three axes (n, h, w), found 1"),
    "one image": (npy(GOOD[0]), "expected three axes (n, h, w), found 2"),
    "four values a pixel": (npy(np.zeros((3, 20, 20, 4), np.uint16)), "found 4 of shape"),
    "one frame": (npy(GOOD[:1]), "expected at least 2 frames, found 1. Pass the whole burst"),
    "tiny frames": (npy(GOOD[:, :8, :8]), "at least 16 x 16 pixels, found 8 x 8. Pass larger"),
    "unclear axes": (npy(np.zeros((17, 18, 19), np.uint16)), "Pass --axis frames-first or"),
    "all sides equal": (npy(np.zeros((20, 20, 20), np.uint16)), "Pass --axis frames-first or"),
    "sides equal around": (npy(np.zeros((20, 30, 20), np.uint16)), "Pass --axis frames-first or"),
    "mostly NaN": (
        npy(np.where(GOOD % 2, np.nan, GOOD)),
        "expected few values that are NaN or infinite, found",
    ),
    "fractions over white": (npy(GOOD * 10.5), "found a maximum of 13639.5. Pass --white-level"),
    "mostly negative": (npy(GOOD.astype(np.int16) - 1000), "expected light above 0, found values"),
    "more than 16 bits": (npy(GOOD.astype(np.int32) * 1000), "the value at saturation, 2097151 if"),
    "true and false": (npy(GOOD > 500), "expected numbers of light, found true and false. Of"),
    "one colour picture": (npy(np.zeros((40, 30, 3), np.uint8)), "which is one colour picture"),
    "a square colour picture": (npy(np.zeros((40, 40, 4))), "--axis frames-last if it holds 4"),
    "complex numbers": (npy(GOOD * 1j), "found values of type complex128. Save"),
    "text": (npy(GOOD.astype(str)), "Save the frames as uint16"),
    "over the white level": (
        npy(GOOD * 10),
        "expected 12-bit raw values 0..4095, found a maximum of 12990. Pass --white-level 16383",
    ),
    "all black": (npy(GOOD * 0), "expected light above the black level 0, found at most 0"),
    "all saturated": (npy(GOOD * 0 + 4095), "100.0% of all pixels saturated. Pass a higher"),
    "empty npz": (content("clip.npz", b""), "Write it again with numpy.savez"),
    "npz of text": (content("clip.npz", b"PK hello"), "Write it again with numpy.savez"),
    "npz of many arrays": (npz(a=GOOD, b=GOOD), "found a, b. Write it again with numpy.savez"),
    "npz of no array": (npz(), "found none. Write it again with numpy.savez"),
    "npz of objects": (npz(frames=np.array([None])), "Write it again with numpy.savez"),
    "empty ser": (content("clip.ser", b""), "expected a SER header, found something else"),
    "ser of text": (content("clip.ser", b"hello" * 50), "Record it again as mono or Bayer SER"),
    "ser without size": (content("clip.ser", b"LUCAM-RECORDER" + bytes(164)), "Record it again"),
    "empty tif": (content("clip.tif", b""), "Save it again as a TIFF of many"),
    "tif of text": (content("clip.tif", b"hello world"), "Save it again as"),
    "tif of one page": (tiff(GOOD[0]), "Pass the whole burst"),
    "tif of two sizes": (tiff(GOOD[0], GOOD[0, :18]), "found 2 kinds (18 x 20 of uint16, 20"),
    "tif cut": (cut(tiff(*GOOD), 1500), "Save it again as"),
    "empty fits": (content("clip.fits", b""), "Save the frames as one cube"),
    "fits of text": (content("clip.fits", b"hello"), "Save the frames as one cube"),
    "fits without image": (cube(None), "found no image in it. Save the frames as one cube"),
    "fits of three planes": (cube(GOOD), "or --axis frames-first if they are 3 frames"),
    "fits of one image": (cube(GOOD[0]), "of single files, pass the folder that holds them"),
    "fits of one row": (cube(GOOD[0, 0]), "expected three axes (n, h, w), found 1"),
    "fits of NaN": (
        cube(np.repeat(np.where(GOOD % 2, np.float32("nan"), GOOD), 2, 0)),
        "Leave out frames that are empty, and cut off what no frame shows.",
    ),
    "empty video": (content("clip.mp4", b""), "Convert it to H.264 .mp4"),
    "video of text": (content("clip.avi", b"hello" * 99), "Convert it to H.264 .mp4"),
    "empty raw": (content("shot.dng", b""), "Copy it from the camera again"),
    "raw of text": (content("shot.cr2", b"hello" * 99), "Copy it from the camera again"),
    "folder of broken raws": (files(a_dng=b"", b_dng=b""), "Copy it from the camera again"),
    "folder of broken images": (files(a_png=b"", b_png=b""), "found data that is none. Save it"),
    "folder of one image": (images(GOOD[0]), "found 1. Pass the whole burst"),
    "folder of two sizes": (
        images(GOOD[0], GOOD[0, :18]),
        "expected a frame like the first, 20 x 20 of uint16, found 18 x 20 of uint16. Remove it",
    ),
    "folder of two depths": (images(GOOD[0], GOOD[1].astype(np.uint8)), "or crop all frames"),
    "folder of two kinds": (files(a_png=b"", b_jpg=b""), "found .jpg and .png. Move all but one"),
    "folder with nothing": (files(), "expected frames in it, found none. Pass npy, npz"),
    "folder of notes": (files(a_txt=b"hello"), "expected frames in it, found none. Pass npy"),
    "unknown suffix": (content("clip.doc", b"hello"), "expected a stack, found '.doc'. Pass npy"),
    "no suffix": (content("clip", b"hello"), "found a name without a suffix. Pass npy"),
    "no such file": (nowhere, "expected a file or folder, found nothing there. Check the path"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_bad_input_is_explained(case: str, tmp_path: Path) -> None:
    make, message = CASES[case]
    path = make(tmp_path)
    with pytest.raises(StackError) as caught:
        read_stack(path)
    text = str(caught.value)
    assert message in text
    assert text.startswith(str(tmp_path))
    assert "\n" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ReadOptions(black_level=5000), "Pass --black-level and --white-level"),
        (ReadOptions(black_level=-1), "Pass --black-level and --white-level"),
        (ReadOptions(white_level=0), "Pass --black-level and --white-level"),
        (ReadOptions(white_level=float("nan")), "white_level: expected a number of DN"),
        (
            ReadOptions(white_level=1000),
            "0..1000, found a maximum of 1299. Pass --white-level 2047",
        ),
        (ReadOptions(black_level=1299), "above the black level 1299"),
        (ReadOptions(white_level=0.5), "0..0.5, found a maximum of 1299"),
        (ReadOptions(axis="frames-last"), "found 3 x 20. Pass larger frames, or --axis"),
    ],
)
def test_bad_options_are_explained(tmp_path: Path, options: ReadOptions, message: str) -> None:
    np.save(tmp_path / "clip.npy", GOOD)
    with pytest.raises(StackError) as caught:
        read_stack(tmp_path / "clip.npy", options)
    assert message in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("name", ["clip.npy", "clip.ser", "clip.mp4", "clip.dng", "clip.png"])
def test_a_file_without_permission_is_explained(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"hello")
    (tmp_path / name).chmod(0)
    with pytest.raises(StackError, match="Permission denied"):
        read_stack(tmp_path / name)


def test_a_truncated_ser_says_how_much_is_missing(
    tmp_path: Path, write_ser: Callable[..., Path]
) -> None:
    path = write_ser(tmp_path / "moon.ser", GOOD)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        StackError, match=r"expected 2578 bytes for 3 frames of 20 x 20, found 2577"
    ):
        read_stack(path)


@pytest.mark.parametrize(("key", "value"), [("color", 16), ("bits", 0), ("bits", 17)])
def test_a_ser_of_an_unknown_kind_is_explained(
    tmp_path: Path, write_ser: Callable[..., Path], key: str, value: int
) -> None:
    path = write_ser(tmp_path / "moon.ser", GOOD, **{key: value})
    with pytest.raises(StackError, match=rf"{value}.*Record it again"):
        read_stack(path)


def test_a_truncated_raw_is_explained(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path]
) -> None:
    for index, frame in enumerate(frames):
        path = write_dng(tmp_path / f"{index}.dng", frame)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(StackError, match=r"2\.dng: expected a camera raw file"):
        read_stack(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cfa": "BGGR"}, "expected cfa RGGB like the first frame, found BGGR"),
        ({"black": (5, 5, 5, 5)}, "like the first frame, found 5.0. Pass frames of one camera"),
        ({"white": 4000}, "expected white_level 4095.0 like the first frame, found 4000.0"),
    ],
)
def test_a_burst_of_two_cameras_is_explained(
    tmp_path: Path,
    frames: np.ndarray,
    write_dng: Callable[..., Path],
    change: dict[str, object],
    message: str,
) -> None:
    write_dng(tmp_path / "0.dng", frames[0])
    write_dng(tmp_path / "1.dng", frames[1], **change)
    with pytest.raises(StackError) as caught:
        read_stack(tmp_path)
    assert message in str(caught.value)


def test_a_single_raw_names_the_folder_as_remedy(
    tmp_path: Path, frames: np.ndarray, write_dng: Callable[..., Path]
) -> None:
    path = write_dng(tmp_path / "0.dng", frames[0])
    with pytest.raises(StackError, match=r"found 1\..*pass the folder that holds them"):
        read_stack(path)
