"""Each published layout, written small as it is, is recognised and read with its truths."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.files.layouts.find import list_sequences
from burst.records import Shutter, StackError


def test_bs_rscd_pairs_rolling_with_global(tmp_path: Path, put, picture) -> None:
    for split in ("train", "valid"):
        for seq in ("004", "012"):
            for n in (7, 8, 10):
                put(tmp_path / split / "rolling" / seq / f"{n}.png", n)
                put(tmp_path / split / "global" / seq / f"{n}.png", 100 + n)
    found = list_sequences(tmp_path)
    assert [one.name for one in found] == ["train/004", "train/012", "valid/004", "valid/012"]
    assert {one.layout for one in found} == {"bs-rscd"}
    sequence = found[1].read()
    np.testing.assert_array_equal(sequence.frames, [picture(n) for n in (7, 8, 10)])
    np.testing.assert_array_equal(sequence.truths, [picture(100 + n) for n in (7, 8, 10)])
    assert sequence.truth_frame.tolist() == [0, 1, 2]
    assert sequence.readout_ratio == pytest.approx(0.25)
    # The middle of a readout of a quarter of 1/15 s, between the first row and the last.
    first = 19 / 20 * 0.25 / 15 / 2
    np.testing.assert_allclose(sequence.instants, first + np.arange(3) / 15)


def test_bs_rsc_pairs_rs_with_gs(tmp_path: Path, put, picture) -> None:
    for n in range(3):
        put(tmp_path / "test" / "0001" / "RS" / f"{n:05d}.png", n)
        put(tmp_path / "test" / "0001" / "GS" / f"{n:05d}.png", 50 + n)
    (listed,) = list_sequences(tmp_path)
    assert (listed.name, listed.layout, listed.count) == ("test/0001", "bs-rsc", 3)
    sequence = listed.read(1)
    np.testing.assert_array_equal(sequence.truths, [picture(51), picture(52)])
    assert sequence.truth_frame.tolist() == [0, 1]
    assert sequence.readout_ratio == pytest.approx(0.425)
    assert listed.read(readout_ratio=0.45).readout_ratio == pytest.approx(0.45)


@pytest.fixture
def rs_gopro(tmp_path: Path, put) -> Path:
    """Two moments of RS-GOPRO with nine truths and flow, and the stray video beside them."""
    folder = tmp_path / "RS-GOPRO_DS" / "valid" / "GOPR0384_11_02"
    for n in range(2):
        for i, way in enumerate(("t2b", "b2t")):
            put(folder / "RS" / f"{n:08d}_rs_{way}.png", 10 * n + i)
        for k in range(9):
            put(folder / "GS" / f"{n:08d}_gs_{k:03d}.png", 100 + 10 * n + k)
            for i, way in enumerate(("t2b", "b2t")):
                flow = np.full((20, 24, 2), (k, 10 * n + i), np.float32)
                (folder / "FL").mkdir(exist_ok=True)
                np.save(folder / "FL" / f"{n:08d}_fl_{way}_{k:03d}.npy", flow)
    (folder.parent / "GOPR0384_11_02.avi").write_bytes(b"not read")
    return folder


def test_rs_gopro_has_pairs_nine_truths_and_flow(rs_gopro: Path, picture) -> None:
    (listed,) = list_sequences(rs_gopro.parents[1])
    assert (listed.name, listed.layout, listed.count) == ("valid/GOPR0384_11_02", "rs-gopro", 4)
    sequence = listed.read()
    assert sequence.sensor.shutter is Shutter.DUAL_REVERSED
    assert sequence.scan.tolist() == [1, -1, 1, -1]
    np.testing.assert_array_equal(sequence.frames, [picture(n) for n in (0, 1, 10, 11)])
    np.testing.assert_array_equal(sequence.truths[13], picture(114))
    assert sequence.truth_frame.tolist() == [0] * 9 + [2] * 9
    assert sequence.flow is not None
    # Truth 4 of moment 1 to the frame that was read upwards: dx and dy as they were stored.
    assert sequence.flow.shape == (18, 2, 2, 20, 24)
    assert sequence.flow[13, 1, :, 0, 0].tolist() == [4, 11]
    begin, _ = sequence.exposures()
    np.testing.assert_allclose(sequence.instants[[0, 8, 9]], begin[[0, 0, 2], [0, -1, 0]])


def test_half_a_pair_is_not_read(rs_gopro: Path, put) -> None:
    (listed,) = list_sequences(rs_gopro)
    assert listed.read(2, 4).truths.shape[0] == 9
    with pytest.raises(StackError, match="whole pairs of a dual reversed shutter, found frames 1"):
        listed.read(1, 3)
    put(rs_gopro / "RS" / "00000002_rs_t2b.png", 5)
    with pytest.raises(StackError, match=r"expected 00000002_rs_b2t\.png beside it, found none"):
        list_sequences(rs_gopro)


def test_flow_of_another_shape_is_refused(rs_gopro: Path) -> None:
    np.save(rs_gopro / "FL" / "00000001_fl_b2t_003.npy", np.zeros((20, 24)))
    with pytest.raises(StackError, match=r"fl_b2t_003.npy: expected flow of shape \(20, 24, 2\)"):
        list_sequences(rs_gopro)[0].read()


def test_a_truth_that_lacks_its_flow_is_told(rs_gopro: Path) -> None:
    (rs_gopro / "FL" / "00000001_fl_b2t_003.npy").unlink()
    with pytest.raises(StackError, match="a file for '00000001_fl_b2t_003' like 0000"):
        list_sequences(rs_gopro)


def test_real_pairs_are_a_sequence_if_numbered_and_scenes_if_named(tmp_path: Path, put) -> None:
    for key in ("0", "1", "10", "2"):
        for way in ("t2b", "b2t"):
            put(tmp_path / "seq" / f"{key}_{way}.png", int(key))
    for key in ("r0", "s1"):
        for way in ("t2b", "b2t"):
            put(tmp_path / "demo" / f"{key}_{way}.png", 1, (16, 16) if key == "r0" else (18, 20))
    found = list_sequences(tmp_path)
    assert [(one.name, one.count) for one in found] == [("demo/r0", 2), ("demo/s1", 2), ("seq", 8)]
    assert found[1].read().frames.shape == (2, 18, 20, 3)
    assert [path.name for path in found[2].frames[2:4]] == ["1_t2b.png", "1_b2t.png"]
    assert found[2].frames[-1].name == "10_b2t.png"


def test_rsgr_reads_png_and_leaves_raw_alone(tmp_path: Path, put, picture) -> None:
    folder = tmp_path / "GRR_real" / "validate" / "s3"
    for n in ("a1", "a2"):
        put(folder / "RSGR" / "PNG" / f"{n}.png", int(n[1]))
        put(folder / "GS" / "PNG" / f"{n}.png", 10 + int(n[1]))
        put(folder / "RSGR" / "RAW" / f"{n}.png", 0).rename(folder / "RSGR" / "RAW" / f"{n}.dng")
    (listed,) = list_sequences(tmp_path)
    sequence = listed.read()
    assert (listed.name, listed.layout) == ("GRR_real/validate/s3", "rsgr")
    assert sequence.sensor.shutter is Shutter.GLOBAL_RESET
    np.testing.assert_array_equal(sequence.truths, [picture(11), picture(12)])
    assert sequence.truth_share.tolist() == [0, 0]


def test_fastec_has_truths_of_first_and_middle_row(tmp_path: Path, put, picture) -> None:
    folder = tmp_path / "train" / "20190919_0"
    for n in range(2):
        put(folder / f"{n:03d}_rolling.png", n)
        put(folder / f"{n:03d}_global_first.png", 10 + n)
        put(folder / f"{n:03d}_global_middle.png", 20 + n)
    (folder / "meta.log").write_text("2 frames\n")
    (listed,) = list_sequences(tmp_path)
    sequence = listed.read()
    assert (listed.layout, sequence.readout_ratio) == ("fastec", pytest.approx(1))
    np.testing.assert_array_equal(sequence.truths, [picture(n) for n in (10, 20, 11, 21)])
    row_time, frame_time = sequence.sensor.row_time, sequence.sensor.frame_time
    middle = 9.5 * row_time
    expected = [0, middle, frame_time, frame_time + middle]
    np.testing.assert_allclose(sequence.instants, expected)


@pytest.fixture
def carla(tmp_path: Path, put, picture) -> Path:
    """Two frames of Carla-RS: RGBA images, a mask, and files of no use here."""
    folder = tmp_path / "test" / "town01" / "seq_00"
    folder.mkdir(parents=True)
    for n in range(2):
        for i, kind in enumerate(("rs", "gs_f", "gs_m")):
            opaque = np.full((20, 24, 1), 255, np.uint8)
            pixels = np.concatenate([picture(10 * i + n)[..., ::-1], opaque], axis=-1)
            cv2.imwrite(str(folder / f"{n:04d}_{kind}.png"), pixels)
        mask = np.zeros((20, 24), np.uint8)
        mask[n:, 3:] = 255
        cv2.imwrite(str(folder / f"{n:04d}_mask.png"), mask)
        (folder / f"{n:04d}_rs.depth").write_text("1 2 3")
        (folder / f"{n:04d}.flow").write_bytes(b"")
    (folder / "gt_vel.log").write_text("0 0 0\n")
    return folder


def test_carla_has_masks_and_no_fourth_channel(carla: Path, tmp_path: Path, picture) -> None:
    (listed,) = list_sequences(tmp_path)
    assert (listed.name, listed.layout) == ("test/town01/seq_00", "carla")
    sequence = listed.read()
    np.testing.assert_array_equal(sequence.frames, [picture(0), picture(1)])
    np.testing.assert_array_equal(sequence.truths, [picture(n) for n in (10, 20, 11, 21)])
    assert sequence.masks is not None
    assert sequence.masks.dtype == bool
    assert sequence.masks.sum(axis=(1, 2)).tolist() == [420, 420, 399, 399]


def test_a_missing_mask_is_told(carla: Path) -> None:
    (carla / "0001_mask.png").unlink()
    with pytest.raises(StackError, match=r"a file for '0001' like 0000_mask\.png, found none"):
        list_sequences(carla)


def test_demo_pairs_take_the_truths_that_are_there(tmp_path: Path, put, picture) -> None:
    for i in range(2):
        put(tmp_path / f"rs_{i}.png", i)
    put(tmp_path / "gs_1_m.png", 7)
    (listed,) = list_sequences(tmp_path)
    sequence = listed.read()
    assert (listed.name, listed.layout) == (tmp_path.name, "demo")
    assert (sequence.truth_frame.tolist(), sequence.truth_share.tolist()) == ([1], [0.5])
    assert sequence.readout_ratio == 0
    halfway = sequence.with_readout_ratio(0.5).instants[0]
    assert halfway == pytest.approx(sequence.sensor.frame_time * (1 + 0.5 * 0.5 * 19 / 20))


def test_a_sidecar_has_the_last_word_but_for_a_ratio_that_is_passed(tmp_path: Path, put) -> None:
    for i in range(2):
        put(tmp_path / f"rs_{i}.png", i)
    (tmp_path / "stack.toml").write_text("row_time = 1e-3\nframe_time = 0.04\nscan = [-1]\n")
    (listed,) = list_sequences(tmp_path)
    sequence = listed.read()
    assert sequence.readout_ratio == pytest.approx(0.5)
    assert sequence.scan.tolist() == [-1, -1]
    (tmp_path / "stack.toml").write_text("scan = [1, -1]\n")
    assert listed.read(1).scan.tolist() == [-1]
    (tmp_path / "stack.toml").write_text("row_time = 1e-3\nframe_time = 0.04\n")
    assert listed.read(readout_ratio=0.3).sensor.row_time == pytest.approx(0.3 * 0.04 / 20)


def test_frames_of_another_size_are_named(tmp_path: Path, put) -> None:
    for n in range(2):
        put(tmp_path / "RS" / f"{n:05d}.png", n)
        put(tmp_path / "GS" / f"{n:05d}.png", n)
    put(tmp_path / "GS" / "00001.png", 1, (20, 30))
    with pytest.raises(StackError, match=r"GS/00001.png: expected .* 20 x 24 x 3 of uint8, found"):
        list_sequences(tmp_path)[0].read()


def test_a_missing_truth_is_named(tmp_path: Path, put) -> None:
    for n in range(2):
        put(tmp_path / "RS" / f"{n:05d}.png", n)
    put(tmp_path / "GS" / "00000.png", 1)
    with pytest.raises(StackError, match=r"GS: expected a file for '00001' like 00000\.png"):
        list_sequences(tmp_path)
