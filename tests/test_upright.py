"""What a camera on its side recorded is restored as recorded and written upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.__main__ import main

SIDECAR = 'cfa = "{cfa}"\norientation = {orientation}\n'


def restored(folder: Path, frames: np.ndarray, cfa: str, orientation: int) -> Path:
    """Run on frames [n, h, w] with what a sidecar says of them; return the result's folder."""
    np.save(folder / f"clip{orientation}.npy", frames)
    (folder / f"clip{orientation}.toml").write_text(
        SIDECAR.format(cfa=cfa, orientation=orientation)
    )
    options = ["--pipeline", "classical", "--axis", "frames-first", "--quiet", "--threads", "1"]
    stack = str(folder / f"clip{orientation}.npy")
    assert main(["run", "--stack", stack, *options, "--device", "cpu", "--out", str(folder)]) == 0
    return folder / f"clip{orientation}"


@pytest.mark.parametrize("cfa", ["mono", "RGGB"])
def test_the_result_is_that_of_the_frames_turned(tmp_path: Path, cfa: str) -> None:
    random = np.random.default_rng(7)
    scene = cv2.GaussianBlur(random.uniform(300, 3500, (64, 96)), (0, 0), 2)
    frames = np.rint(scene + random.normal(0, 30, (6, 64, 96))).clip(0, 4095).astype(np.uint16)
    plain = restored(tmp_path, frames, cfa, 1)
    for orientation, turned in ((6, lambda x: np.rot90(x, -1)), (3, lambda x: x[::-1, ::-1])):
        folder = restored(tmp_path, frames, cfa, orientation)
        expected = turned(np.load(plain / "restored.npy"))
        np.testing.assert_array_equal(np.load(folder / "restored.npy"), expected)
        for name in ("restored.png", "restored.tif"):
            before, after = (cv2.imread(str(p / name), -1) for p in (plain, folder))
            np.testing.assert_array_equal(after, turned(before))
