"""A damaged file is explained once, by the error alone."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from burst.files.read import read_stack
from burst.records import StackError


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4", "clip.tif", "clip.png"])
def test_libraries_print_nothing(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, np.zeros((4, 32, 32), np.uint16), photometric="minisblack")
    (tmp_path / name).write_bytes(whole.read_bytes()[:3000] if name == "clip.tif" else b"hi" * 99)
    with pytest.raises(StackError):
        read_stack(tmp_path / name)
    assert capfd.readouterr().err == ""
