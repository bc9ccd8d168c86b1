"""BS-RSCD as lmdb: raw bytes, blue first, by keys of sequence and frame."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from burst.__main__ import main
from burst.files.layouts.find import list_sequences
from burst.records import StackError

lmdb = pytest.importorskip("lmdb")

LENGTHS = {"012": 2, "004": 1}


def shade(seq: int, frame: int, truth: bool) -> np.ndarray:
    """Return an image [480, 640, 3], red first, that no other frame has."""
    image = np.zeros((480, 640, 3), np.uint8)
    image[..., 0], image[..., 2] = 10 * seq + frame + 1, 200 if truth else 100
    image[:, 5] = 7
    return image


def write_lmdb(path: Path, truth: bool, skip: str = "") -> None:
    environment = lmdb.open(str(path), map_size=2**25)
    with environment.begin(write=True) as transaction:
        for seq, length in enumerate(LENGTHS.values()):
            for frame in range(length):
                key = f"{seq:03d}_{frame:08d}"
                if key != skip:
                    pixels = np.ascontiguousarray(shade(seq, frame, truth)[..., ::-1])
                    transaction.put(key.encode("ascii"), pixels.tobytes())
    environment.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "rscd_lmdb"
    folder.mkdir()
    write_lmdb(folder / "rscd_valid", truth=False)
    write_lmdb(folder / "rscd_valid_gt", truth=True)
    info = {i: {"seq": name, "length": n} for i, (name, n) in enumerate(LENGTHS.items())}
    write_index(folder, {**info, "length": 3, "num": 2})
    return folder


def write_index(folder: Path, info: object) -> None:
    (folder / "rscd_info_valid.pkl").write_bytes(pickle.dumps(info))


def test_frames_and_truths_are_red_first(root: Path) -> None:
    found = list_sequences(root.parent)
    names = [(one.name, one.layout, one.count) for one in found]
    assert names == [
        ("rscd_lmdb/rscd_valid/012", "rscd-lmdb", 2),
        ("rscd_lmdb/rscd_valid/004", "rscd-lmdb", 1),
    ]
    sequence = found[0].read(1)
    np.testing.assert_array_equal(sequence.frames, [shade(0, 1, False)])
    np.testing.assert_array_equal(sequence.truths, [shade(0, 1, True)])
    assert sequence.readout_ratio == pytest.approx(0.25)
    assert (sequence.sensor.transfer, sequence.sensor.white_level) == ("srgb", 255)


def test_without_truths_the_frames_are_read_alone(root: Path) -> None:
    (root / "rscd_valid_gt").rename(root / "elsewhere")
    assert len(list_sequences(root)[0].read().truths) == 0


def test_a_missing_key_is_named(root: Path) -> None:
    (root / "rscd_valid_gt").rename(root / "elsewhere")
    write_lmdb(root / "rscd_valid_gt", truth=True, skip="000_00000001")
    with pytest.raises(StackError, match="rscd_valid_gt: expected the key '000_00000001'"):
        list_sequences(root)[0].read()


def test_pixels_of_another_size_are_told(root: Path) -> None:
    environment = lmdb.open(str(root / "rscd_valid"))
    with environment.begin(write=True) as transaction:
        transaction.put(b"001_00000000", b"short")
    environment.close()
    with pytest.raises(StackError, match="480 x 640 x 3 bytes at the key '001_00000000', found 5"):
        list_sequences(root)[1].read()


def test_no_frame_is_outside(root: Path) -> None:
    with pytest.raises(StackError, match=r"expected frames of 0\.\.1, found start 2"):
        list_sequences(root)[0].read(2)


@pytest.mark.parametrize(
    "info",
    [
        [1, 2],
        {"num": 1},
        {0: {"seq": "a"}, "num": 1},
        {0: {"seq": "a", "length": 0}, "num": 1},
        {0: {"seq": "a", "length": float("inf")}, "num": 1},
        {0: {"seq": ["a"], "length": 1}, "num": 1},
    ],
)
def test_an_index_of_another_content_is_told(root: Path, info: object) -> None:
    write_index(root, info)
    with pytest.raises(StackError, match=r"rscd_info_valid\.pkl: expected"):
        list_sequences(root)


def test_a_broken_lmdb_is_told(root: Path) -> None:
    (root / "rscd_valid" / "data.mdb").write_bytes(b"no lmdb")
    with pytest.raises(StackError, match="rscd_valid: expected an lmdb, found"):
        list_sequences(root)[0].read()


def test_an_index_without_its_lmdb_is_told(root: Path) -> None:
    (root / "rscd_valid").rename(root / "elsewhere")
    with pytest.raises(StackError, match="expected the lmdb rscd_valid beside it"):
        list_sequences(root)


def test_without_the_package_it_says_what_to_install(root: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(StackError, match=r"by pip install 'burst-restoration\[shutter\]'"):
        list_sequences(root)[0].read()


def test_an_index_that_promises_too_much_takes_no_memory(root: Path) -> None:
    promised = {0: {"seq": "012", "length": 10**9}, "length": 10**9, "num": 1}
    write_index(root, promised)
    with pytest.raises(StackError, match="expected the key '000_00000002'"):
        list_sequences(root)[0].read()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rscd_valid", None, "expected the key '000_00000001', found none"),
        ("rscd_info_valid.pkl", pickle.dumps(print), "which can run code. It was not opened"),
    ],
)
def test_a_command_says_what_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, message: str
) -> None:
    if content is None:
        shutil.rmtree(root / name)
        write_lmdb(root / name, truth=False, skip="000_00000001")
    else:
        (root / name).write_bytes(content)
    words = ["--images", str(root), "--out", str(root.parent / "out"), "--threads", "1"]
    assert main(["bench", "--suite", "shutter", *words]) == 3
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
