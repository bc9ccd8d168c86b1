"""PGM and PPM of bytes and of text keep their values and say where white is."""

from pathlib import Path

import numpy as np
import pytest

from burst.files.read import read_stack
from burst.records import StackError


def pnm(kind: int, pixels: np.ndarray, maximum: int) -> bytes:
    """Return a picture [h, w] or [h, w, 3] as P2, P3, P5 or P6, with a comment as GIMP writes."""
    head = f"P{kind}\n# Created by a test\n{pixels.shape[1]} {pixels.shape[0]}\n{maximum}\n"
    if kind in (2, 3):
        return head.encode() + " ".join(map(str, pixels.ravel())).encode() + b"\n"
    return head.encode() + pixels.astype("u1" if maximum < 256 else ">u2").tobytes()


@pytest.mark.parametrize("maximum", [255, 200, 1023, 4095, 16383])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_the_maximum_is_white(tmp_path: Path, frames: np.ndarray, kind: int, maximum: int) -> None:
    values = frames.astype(np.int64) * maximum // 4095
    for k, frame in enumerate(values):
        pixels = np.repeat(frame[..., None], 3, axis=-1) if kind in (3, 6) else frame
        suffix = "ppm" if kind in (3, 6) else "pgm"
        (tmp_path / f"{k}.{suffix}").write_bytes(pnm(kind, pixels, maximum))
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, values)
    assert stack.sensor.white_level == maximum


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a PGM or PPM picture"),
        (b"P4 32 32\n" + bytes(128), "expected a PGM or PPM picture"),
        (b"P5 32 32 4095\n" + bytes(100), "expected 1024 values, found 50"),
        (b"P5 32 32 255\n" + bytes(1024) + b"P5 32 32 255\n", "found several pictures"),
        (b"P5 0 32 255\n", "expected pixels of 1 to 16 bits, found 0 x 32"),
        (b"P5 32 32 70000\n", "expected pixels of 1 to 16 bits"),
        (b"P2 2 2 255\n1 2 3 x", "expected a PGM or PPM picture, found"),
    ],
)
def test_what_is_broken_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "0.pgm").write_bytes(data)
    with pytest.raises(StackError) as caught:
        read_stack(tmp_path)
    assert message in str(caught.value)
    assert "Save it again as a binary PGM" in str(caught.value)
