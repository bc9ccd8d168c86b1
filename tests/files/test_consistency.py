"""Frames that are missing from a folder are told by the numbers in names."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.files.consistency import missing_numbers
from burst.files.read import read_stack


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["f_06", "f_07", "f_08"], []),
        (["frame_0006", "frame_0008", "frame_0009", "frame_0010", "frame_0011"], ["0007"]),
        (["a0", "a10", "a20", "a40", "a50", "a60"], ["30"]),
        (["8", "9", "10", "11", "14", "15", "16", "17"], ["12", "13"]),
        (["x1_light", "x2_light", "x3_light", "x4_light", "x6_light"], ["5"]),
        (["night_1_001", "night_2_001"], []),
        (["20240101_101112", "20240101_101119", "20240101_101203"], []),
        (["first", "second"], []),
        (["a1", "b2", "c4"], []),
        (["a1"], []),
    ],
)
def test_missing_numbers(names: list[str], missing: list[str]) -> None:
    assert missing_numbers(names) == missing


def test_a_gap_is_told(
    tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    for k in (4, 5, 6, 8, 9, 10):
        cv2.imwrite(str(tmp_path / f"frame_{k:04d}.png"), frames[0])
    read_stack(tmp_path)
    assert "1 frame is missing between its first and last" in caplog.text
    assert "by the numbers in their names: 0007." in caplog.text
